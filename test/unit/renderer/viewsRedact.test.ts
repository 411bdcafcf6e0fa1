import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRedactor, redact } from '../../../renderer/views/log/redact.ts';
import { quickest } from '../quickest.ts';

const masked = (text: string, known: readonly string[] = []) => redact(text, known).text;

test('addresses', () => {
  for (const address of [
    '192.0.2.1',
    '10.0.0.254',
    '255.255.255.255',
    '2001:db8::1',
    'fe80::1%eth0',
    '::1',
    '2001:db8:0:1:2:3:4:5',
    '::ffff:192.0.2.7',
    'fd00:dead:beef::',
    '64:ff9b::192.0.2.33',
    '02:42:ac:11:00:02',
    '2001:DB8::AB',
  ]) {
    assert.equal(masked(`from ${address} came`), 'from [address-1] came', address);
    assert.equal(masked(`${address}`), '[address-1]', address);
  }
  assert.equal(masked('to=192.0.2.1:4500'), 'to=[address-1]:4500');
  assert.equal(masked('[2001:db8::1]:4500'), '[[address-1]]:4500');
  assert.equal(masked('address=10.1.0.0/16, 10.1.0.0-10.1.255.255'), 'address=[address-1]/16, [address-1]-[address-2]');
});

test('hosts and identities', () => {
  assert.equal(masked('gateway=vpn.office.test'), 'gateway=[host-1]');
  assert.equal(masked('asked xn--nxasmq6b.xn--p1ai.'), 'asked [host-1]');
  assert.equal(masked('vpn.münchen.example and 회사.한국'), '[host-1] and [host-2]');
  assert.equal(masked('IKE SA established with alice@office.test'), 'IKE SA established with [identity-1]');
  assert.equal(masked('keyid:0badcafe'), '[identity-1]');
  assert.equal(masked('profile="Head office" id=alice', ['Head office', 'alice']), 'profile="[identity-1]" id=[identity-2]');
});

test('ids, users and folders', () => {
  assert.equal(masked('spiIn=0x0badf00d spiI=0123456789abcdef'), 'spiIn=[id-1] spiI=[id-2]');
  assert.equal(masked('2d2e7f70-5b0a-4a55-9d7e-3f1c5f0a8b11'), '[id-1]');
  assert.equal(masked('uid=1000 pid=4321'), 'uid=[id-1] pid=[id-2]');
  assert.equal(masked('at /home/alice/vpn/engine.ts:12'), 'at [path-1]/vpn/engine.ts:12');
});

test('what is none of these stays', () => {
  for (const text of [
    '2026-11-21T00:45:11.123Z info  ike: repeating IKE_SA_INIT request messageId=0 sent=2',
    'algorithms agreed: AES_GCM_16-256 PRF_HMAC_SHA2_256 CURVE25519',
    'version 0.1.0 and 24.21.0',
    'payloads="SA KE Ni N(NAT_DETECTION_SOURCE_IP)" bytes=1280',
    'took 12:30:05, silentMs=30000, code=gateway-silent',
    'a fault in engine.ts:42:13 of rpcServer.ts',
    'std::move, yes :: no',
    '',
  ]) {
    assert.equal(masked(text), text);
  }
});

test('the same thing has the same mask, whatever its case; others have others', () => {
  const { text, counts } = redact('A.example 192.0.2.1 a.example 192.0.2.2 192.0.2.1');
  assert.equal(text, '[host-1] [address-1] [host-1] [address-2] [address-1]');
  assert.deepEqual(counts, { address: 2, host: 1, identity: 0, id: 0, path: 0 });
});

test('masks are the same from line to line, and counted in all', () => {
  const redactor = createRedactor([]);
  assert.equal(redactor.line('to 192.0.2.1'), 'to [address-1]');
  assert.equal(redactor.line('from 192.0.2.2, 192.0.2.1'), 'from [address-2], [address-1]');
  assert.equal(redactor.counts().address, 2);
});

test('a known word is masked as a word only, and as it stands', () => {
  assert.equal(masked('update the up profile', ['up']), 'update the [identity-1] profile');
  assert.equal(masked('is a.*b here', ['a.*b']), 'is [identity-1] here');
  assert.equal(masked('x y', ['', ' ', 'x']), 'x y', 'one letter would eat the log');
});

test('no address survives, wherever it stands', () => {
  const v4 = fc.ipV4();
  const v6 = fc.ipV6().filter((address) => address !== '::');
  fc.assert(
    fc.property(
      fc.oneof(v4, v6),
      fc.constantFrom(' ', '=', '"', '(', ', ', '[', '\n'),
      fc.constantFrom(' ', '"', ')', ',', ']', '\n', '/24'),
      (address, before, after) => {
        const result = masked(`x${before}${address}${after}y`);
        assert.ok(!result.includes(address), result);
        assert.match(result, /\[address-1\]/);
      },
    ),
    { numRuns: 2000 },
  );
});

test('masking what is masked changes nothing', () => {
  const known = ['Head office', 'id', 'host'];
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.ipV4(), fc.ipV6(), fc.emailAddress(), fc.domain(), fc.uuid(), fc.string(), fc.constantFrom(...known))),
      (words) => {
        const once = masked(words.join(' '), known);
        assert.equal(masked(once, known), once);
      },
    ),
    { numRuns: 500, examples: [[['A@0{@0']]] },
  );
});

test('a long hostile line takes no long time', () => {
  for (const piece of ['a.', 'a:', '1.', '::', 'a@', '0x', 'f', '-a', '1:', 'é.', '1']) {
    const took = quickest(() => masked(piece.repeat(4000)));
    assert.ok(took < 1500, `${piece}: ${took} ms`);
  }
});
