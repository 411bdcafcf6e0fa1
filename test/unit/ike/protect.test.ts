import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat } from '../../../core/bytes/bytes.ts';
import { recordCipher } from '../../../core/crypto/record.ts';
import { deriveIkeKeys, type IkeKeys } from '../../../core/ike/keys/ikeKeys.ts';
import { type IkeSuite, ikeSuite } from '../../../core/ike/negotiation.ts';
import { parseProposals } from '../../../core/ike/proposals.ts';
import { createProtection, openPlaintext, type Protection } from '../../../core/ike/sa/protect.ts';
import { encodeEncryptedPrefix, encodeMessage } from '../../../core/ike/wire/encode.ts';
import type { Header, Payload } from '../../../core/ike/wire/message.ts';
import { parseMessage } from '../../../core/ike/wire/parse.ts';
import { notify } from '../../../core/ike/wire/payloads.ts';

const header: Header = {
  spiI: new Uint8Array(8).fill(1),
  spiR: new Uint8Array(8).fill(2),
  majorVersion: 2,
  minorVersion: 0,
  exchange: 37,
  messageId: 5,
  flags: { initiator: true, version: false, response: false },
};
const random = (length: number) => new Uint8Array(length).fill(0x5a);

function sceneOf(text: string): { readonly suite: IkeSuite; readonly keys: IkeKeys } {
  const parsed = parseProposals([text], 'ike');
  assert.ok(parsed.ok);
  const suite = ikeSuite(parsed.value[0]);
  assert.ok(suite);
  const nonces = { ni: new Uint8Array(32).fill(3), nr: new Uint8Array(32).fill(4) };
  return { suite, keys: deriveIkeKeys(suite, new Uint8Array(32).fill(5), nonces, header) };
}

function open(text: string, bytes: Uint8Array) {
  const { suite, keys } = sceneOf(text);
  const parsed = parseMessage(bytes);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return payloadsOf(createProtection('responder', suite, keys, random).open(bytes, parsed.value));
}

function payloadsOf(opened: ReturnType<Protection['open']>) {
  return opened.ok ? { ok: true as const, value: opened.value.payloads } : opened;
}

/** A message whose plaintext, padding included, is exactly this. */
function sealRaw(text: string, plaintext: Uint8Array, firstInner = 0): Uint8Array {
  const { suite, keys } = sceneOf(text);
  const cipher = recordCipher(suite.encr, suite.integ, keys.ei, keys.ai);
  const iv = random(cipher.ivBytes);
  const prefix = encodeEncryptedPrefix(header, 'SK', firstInner, cipher.ivBytes + plaintext.length + cipher.icvBytes);
  return concat(prefix, iv, cipher.seal(iv, prefix, plaintext));
}

for (const text of [
  'aes128gcm16-prfsha256-x25519',
  'aes256gcm8-prfsha512-x25519',
  'chacha20poly1305-prfsha384-x25519',
  'aes192-sha1-x25519',
  'aes256-sha512-x25519',
]) {
  test(`${text}: what one side seals the other opens, in either direction`, () => {
    const { suite, keys } = sceneOf(text);
    const initiator = createProtection('initiator', suite, keys, random);
    const responder = createProtection('responder', suite, keys, random);
    for (let length = 0; length < 40; length++) {
      const payloads: readonly Payload[] = [notify(40_000, new Uint8Array(length).fill(length))];
      for (const [from, to] of [
        [initiator, responder],
        [responder, initiator],
      ]) {
        const [bytes] = from.seal(header, payloads);
        const parsed = parseMessage(bytes);
        assert.ok(parsed.ok);
        assert.deepEqual(payloadsOf(to.open(bytes, parsed.value)), { ok: true, value: payloads });
        assert.deepEqual(
          from.open(bytes, parsed.value),
          { ok: false, error: { code: 'icv' } },
          'each direction has its own keys',
        );
      }
    }
  });

  test(`${text}: fragments are within the limit, as few as can be, and give the message again (RFC 7383 §2.5)`, () => {
    const { suite, keys } = sceneOf(text);
    const initiator = createProtection('initiator', suite, keys, random);
    const responder = createProtection('responder', suite, keys, random);
    for (let length = 0; length < 700; length += 13) {
      const payloads: readonly Payload[] = [notify(40_000, new Uint8Array(length).fill(7)), notify(40_001)];
      const [whole] = initiator.seal(header, payloads);
      for (const limit of [150, 200, 544, whole.length - 1, whole.length]) {
        const datagrams = initiator.seal(header, payloads, { limit: Math.max(limit, 120) });
        assert.ok(datagrams.every((bytes) => bytes.length <= Math.max(limit, 120)));
        if (whole.length <= Math.max(limit, 120)) {
          assert.equal(datagrams.length, 1);
          continue;
        }
        assert.ok(datagrams.length > 1);
        // All but the last are full: another block would not fit.
        for (const bytes of datagrams.slice(0, -1)) assert.ok(bytes.length > limit - 16);
        const chunks = datagrams.map((bytes, index) => {
          const parsed = parseMessage(bytes);
          assert.ok(parsed.ok);
          const [skf] = parsed.value.payloads;
          assert.ok(skf?.kind === 'SKF' && skf.fragment === index + 1 && skf.total === datagrams.length);
          assert.equal(skf.firstInner, index === 0 ? 41 : 0);
          const chunk = responder.openFragment(bytes, parsed.value);
          assert.ok(chunk.ok);
          assert.deepEqual(responder.open(bytes, parsed.value), { ok: false, error: { code: 'unprotected' } });
          return chunk.value;
        });
        assert.deepEqual(payloadsOf(openPlaintext(41, concat(...chunks))), { ok: true, value: payloads });
      }
    }
  });

  test(`${text}: a fragment under another number is not genuine`, () => {
    const { suite, keys } = sceneOf(text);
    const datagrams = createProtection('initiator', suite, keys, random).seal(header, [notify(40_000, new Uint8Array(300))], {
      limit: 150,
    });
    for (const at of [33, 35]) {
      const changed = datagrams[1].slice();
      changed[at]++;
      const parsed = parseMessage(changed);
      assert.ok(parsed.ok);
      const opened = createProtection('responder', suite, keys, random).openFragment(changed, parsed.value);
      assert.deepEqual(opened, { ok: false, error: { code: 'icv' } });
    }
  });

  test(`${text}: the ICV covers what is in the clear in front of the encrypted payload (RFC 5282 §5.1)`, () => {
    const { suite, keys } = sceneOf(text);
    const inTheClear = [{ kind: 'PS', data: Uint8Array.of(1, 2, 3, 4) }] as const;
    const inner = [notify(40_000, new Uint8Array(9))];
    const [bytes] = createProtection('initiator', suite, keys, random).seal(header, inner, { inTheClear });
    const rest = (octets: Uint8Array) => {
      const parsed = parseMessage(octets);
      assert.ok(parsed.ok);
      assert.deepEqual(parsed.value.payloads.map(({ kind }) => kind).join(), 'PS,SK');
      const message = { ...parsed.value, payloads: parsed.value.payloads.slice(1) };
      return payloadsOf(createProtection('responder', suite, keys, random).open(octets, message));
    };
    assert.deepEqual(rest(bytes), { ok: true, value: inner });
    const changed = bytes.slice();
    changed[35]++;
    assert.deepEqual(rest(changed), { ok: false, error: { code: 'icv' } });
  });

  test(`${text}: no IV is used twice for an AEAD`, () => {
    const { suite, keys } = sceneOf(text);
    const protection = createProtection('initiator', suite, keys, random);
    if (!suite.encr.aead) return;
    const ivs = new Set(
      Array.from({ length: 500 }, () => Buffer.from(protection.seal(header, [])[0].subarray(32, 40)).toString('hex')),
    );
    assert.equal(ivs.size, 500);
  });

  test(`${text}: padding of any length is taken, impossible padding is the peer's mistake (RFC 7296 §3.14)`, () => {
    const padded = (length: number, padLength: number) => {
      const plaintext = new Uint8Array(length).fill(0xaa);
      plaintext[length - 1] = padLength;
      return plaintext;
    };
    assert.deepEqual(open(text, sealRaw(text, padded(64, 63))), { ok: true, value: [] });
    assert.deepEqual(open(text, sealRaw(text, padded(256, 255))), { ok: true, value: [] });
    for (const wrong of [64, 255]) {
      const opened = open(text, sealRaw(text, padded(64, wrong)));
      assert.ok(!opened.ok && opened.error.code === 'syntax', `pad length ${wrong}`);
    }
    const opened = open(text, sealRaw(text, padded(64, 3), 41));
    assert.ok(!opened.ok && opened.error.code === 'syntax', 'rubbish inside, with a good ICV');
  });

  test(`${text}: too short to be one`, () => {
    for (let length = 0; length < 48; length++) {
      const bytes = concat(encodeEncryptedPrefix(header, 'SK', 0, length), new Uint8Array(length));
      assert.deepEqual(open(text, bytes), { ok: false, error: { code: 'icv' } });
    }
  });
}

test('payloads in the clear, alone or in front of SK, are not protected', () => {
  const text = 'aes128gcm16-prfsha256-x25519';
  const unprotected = { ok: false, error: { code: 'unprotected' } };
  assert.deepEqual(open(text, encodeMessage(header, [])), unprotected);
  assert.deepEqual(open(text, encodeMessage(header, [notify(40_000)])), unprotected);
  const sk: Payload = { kind: 'SK', firstInner: 0, body: new Uint8Array(40), bodyOffset: 0 };
  assert.deepEqual(open(text, encodeMessage(header, [notify(40_000), sk])), unprotected);
});
