import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromUtf8 } from '../../../../../core/bytes/bytes.ts';
import type { EapConfig, EapOutput } from '../../../../../core/ike/auth/eap/contract.ts';
import { encodeEap } from '../../../../../core/ike/auth/eap/packet.ts';
import { createEapPeer } from '../../../../../core/ike/auth/eap/peer.ts';
import type { EapMisbehaviour } from '../../../../gateway/eap/serverMethod.ts';
import { defaultPeer, ending, evidence, hold, typesSent } from './dialogue.ts';

const users = { alice: { password: 'secret' } };
const NONE = new Uint8Array(0);

/** What the peer has to say to each packet, one after the other; kinds and, of packets, the octets. */
function sayTo(config: Partial<EapConfig>, ...packets: readonly Uint8Array[]): EapOutput[][] {
  const peer = createEapPeer({ ...defaultPeer, ...config }, (length) => new Uint8Array(length).fill(1));
  return packets.map((packet) => {
    peer.handle(packet);
    const out: EapOutput[] = [];
    for (let output = peer.poll(); output !== undefined; output = peer.poll()) if (output.kind !== 'log') out.push(output);
    return out;
  });
}

const request = (identifier: number, type: number, data: Uint8Array = NONE) => encodeEap(1, identifier, type, data);
const success = (identifier: number) => Uint8Array.of(3, identifier, 0, 4);
const failure = (identifier: number) => Uint8Array.of(4, identifier, 0, 4);
const sent = (outputs: EapOutput[]): string => {
  assert.equal(outputs.length, 1);
  const [output] = outputs;
  assert.ok(output.kind === 'send', JSON.stringify(output));
  return Buffer.from(output.packet).toString('hex');
};
const failedWith = (outputs: EapOutput[]): string => {
  assert.equal(outputs.length, 1);
  const [output] = outputs;
  return output.kind === 'failed' ? output.failure.code : output.kind;
};

describe('identifiers and repetitions (RFC 3748 §4.1)', () => {
  test('the response carries the identifier of the request', () => {
    assert.equal(sent(sayTo({}, request(200, 1))[0]), '02c8000a01616c696365');
  });

  test('a request that is repeated octet by octet gets the same response, and nobody is asked twice', () => {
    const gtc = createEapPeer({ ...defaultPeer, methods: ['gtc'] }, (length) => new Uint8Array(length));
    gtc.handle(request(9, 6, fromUtf8('Password')));
    assert.equal(gtc.poll()?.kind, 'ask');
    gtc.answer({ kind: 'credential', value: Uint8Array.from(fromUtf8('secret')) });
    const first = gtc.poll();
    gtc.handle(request(9, 6, fromUtf8('Password')));
    assert.deepEqual(gtc.poll(), first);
    assert.equal(gtc.poll(), undefined);
  });

  test('another request with the same identifier is another request: gateways draw them for each method anew', () => {
    const [identity, method] = sayTo({ methods: ['gtc'] }, request(0, 1), request(0, 6, fromUtf8('Password')));
    assert.equal(sent(identity), '0200000a01616c696365');
    assert.equal(method[0].kind, 'ask');
  });

  test('what was typed is wiped when it was used', () => {
    const peer = createEapPeer({ ...defaultPeer, methods: ['gtc'] }, (length) => new Uint8Array(length));
    peer.handle(request(9, 6));
    const value = Uint8Array.from(fromUtf8('secret'));
    peer.answer({ kind: 'credential', value });
    assert.deepEqual(value, new Uint8Array(6));
  });
});

describe('Success and Failure (RFC 3748 §4.2, CVE-2021-45079)', () => {
  test('Success at once', () => assert.equal(failedWith(sayTo({}, success(1))[0]), 'eap-protocol'));
  test('Success after the identity', () => assert.equal(failedWith(sayTo({}, request(1, 1), success(1))[1]), 'eap-protocol'));
  test('Success after a NAK', () => assert.equal(failedWith(sayTo({}, request(1, 4), success(1))[1]), 'eap-protocol'));
  test('Success while a question is open', () =>
    assert.equal(failedWith(sayTo({}, request(1, 6, fromUtf8('?')), success(1))[1]), 'eap-protocol'));
  test('Failure at once is a refusal', () => assert.equal(failedWith(sayTo({}, failure(1))[0]), 'eap-refused'));
  test('nothing comes after the end', () =>
    assert.deepEqual(sayTo({}, failure(1), request(2, 1), success(2)).slice(1), [[], []]));
});

describe('NAK (RFC 3748 §5.3)', () => {
  test('it says what would be taken, the preferred first', () => {
    assert.equal(sent(sayTo({ methods: ['peap', 'mschapv2'] }, request(3, 4))[0]), '0203000703191a');
  });
  test('expanded types get a legacy NAK', () => {
    assert.equal(sent(sayTo({ methods: ['tls'] }, request(3, 254, Uint8Array.of(0, 0, 0, 0, 0, 0, 4)))[0]), '02030006030d');
  });
  test('with nothing to offer it is 0', () => assert.equal(sent(sayTo({ methods: [] }, request(3, 6))[0]), '020300060300'));
  test('EAP-only leaves the methods that prove the server (RFC 5998)', () => {
    assert.equal(sent(sayTo({ mutualOnly: true }, request(3, 26))[0]), '02030008030d1519');
  });
  test('what is only missing in the profile is no common method; what is not good enough is not allowed', () => {
    assert.equal(failedWith(sayTo({ methods: ['mschapv2'] }, request(3, 6), failure(3))[1]), 'eap-no-common-method');
    assert.equal(failedWith(sayTo({ methods: ['mschapv2'] }, request(3, 18), failure(3))[1]), 'eap-no-common-method');
    assert.equal(failedWith(sayTo({ methods: ['mschapv2'] }, request(3, 4), failure(3))[1]), 'eap-not-allowed');
    assert.equal(failedWith(sayTo({ mutualOnly: true }, request(3, 26), failure(3))[1]), 'eap-not-allowed');
  });
  test('a NAK as a request is no request', () => assert.equal(failedWith(sayTo({}, request(3, 3))[0]), 'eap-protocol'));
});

describe('packets that are none', () => {
  const broken: readonly (readonly [string, Uint8Array])[] = [
    ['nothing', NONE],
    ['three octets', Uint8Array.of(1, 1, 0)],
    ['a length below four', Uint8Array.of(1, 1, 0, 3)],
    ['a length beyond the end', Uint8Array.of(1, 1, 0, 6, 1)],
    ['a request without a type', Uint8Array.of(1, 1, 0, 4)],
    ['code 0', Uint8Array.of(0, 1, 0, 5, 1)],
    ['code 5', Uint8Array.of(5, 1, 0, 5, 1)],
    ['a Success with data', Uint8Array.of(3, 1, 0, 5, 0)],
    ['a response', encodeEap(2, 1, 1, NONE)],
  ];
  for (const [name, packet] of broken) {
    test(name, () => assert.equal(failedWith(sayTo({}, packet)[0]), 'eap-protocol'));
  }
  test('what is behind the length is padding', () =>
    assert.equal(sent(sayTo({}, Uint8Array.of(1, 1, 0, 5, 1, 9, 9))[0]), '0201000a01616c696365'));
});

describe('a gateway that does EAP wrong', () => {
  const wrong: readonly (readonly [EapMisbehaviour, string])[] = [
    ['success-at-once', 'eap-protocol'],
    ['success-after-identity', 'eap-protocol'],
    ['success-wrong-identifier', 'eap-protocol'],
    ['second-method', 'eap-protocol'],
    ['identity-in-method', 'eap-protocol'],
    ['endless-rounds', 'eap-protocol'],
    ['response-code', 'eap-protocol'],
    ['wrong-length', 'eap-protocol'],
  ];
  for (const [misbehave, code] of wrong) {
    test(misbehave, async () => {
      const done = await hold({ server: { methods: ['mschapv2'], users, misbehave } });
      assert.equal(ending(done), code);
      assert.match(evidence(done), /^[ -~]+$/);
    });
  }

  test('downgrade-md5: MD5 is not taken however often it is offered', async () => {
    const done = await hold({ server: { methods: ['mschapv2'], users, misbehave: 'downgrade-md5' } });
    assert.equal(ending(done), 'eap-protocol');
    assert.ok(done.rounds <= 25);
    assert.deepEqual(new Set(typesSent(done)), new Set([1, 3]));
    assert.equal(done.asked.length, 0);
  });

  test('expanded-type: it finds another, or there is none', async () => {
    const done = await hold({ server: { methods: ['mschapv2'], users, misbehave: 'expanded-type' } });
    assert.equal(ending(done), 'success');
    const none = await hold({ server: { methods: ['md5'], users, misbehave: 'expanded-type' } });
    assert.equal(ending(none), 'eap-no-common-method');
  });
});

test('a gateway that offers another first takes what the NAK says', async () => {
  const done = await hold({ server: { methods: ['md5', 'gtc', 'mschapv2'], users }, peer: { methods: ['mschapv2'] } });
  assert.equal(ending(done), 'success');
  assert.deepEqual(typesSent(done), [1, 3, 26, 26]);
});

test('what a notification says goes to the log as one line', async () => {
  const [answer] = sayTo({}, request(1, 2, fromUtf8('Welcome\nto the office')));
  assert.equal(sent(answer), '0201000502');
});
