/** Key schedule, AUTH, protection and negotiation against what strongSwan computed and sent; see recorded.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, fromUtf8, toHex } from '../../../core/bytes/bytes.ts';
import { pskAuth, type SignedParts, verifyPskAuth } from '../../../core/ike/auth/psk.ts';
import { parseIdentity } from '../../../core/ike/identity.ts';
import { deriveChildKeys, deriveIkeKeys, skeyseed } from '../../../core/ike/keys/ikeKeys.ts';
import { detectNat } from '../../../core/ike/nat.ts';
import { checkChosen, childSuite, ikeSuite } from '../../../core/ike/negotiation.ts';
import { type ProposalUse, parseProposals } from '../../../core/ike/proposals.ts';
import type { Identity } from '../../../core/ike/sa/contract.ts';
import { createProtection } from '../../../core/ike/sa/protect.ts';
import type { Message, Payload } from '../../../core/ike/wire/message.ts';
import { parseMessage } from '../../../core/ike/wire/parse.ts';
import { findPayload } from '../../../core/ike/wire/payloads.ts';
import { type RecordedExchange, recordedExchanges } from './recorded.ts';

const secret = fromUtf8('correct horse battery staple');

function bytesOf(hex: string): Uint8Array {
  const bytes = fromHex(hex);
  assert.ok(bytes);
  return bytes;
}

function messageOf(recorded: RecordedExchange, index: number): { readonly bytes: Uint8Array; readonly message: Message } {
  const bytes = bytesOf(recorded.messages[index]);
  const parsed = parseMessage(bytes);
  assert.ok(parsed.ok);
  return { bytes, message: parsed.value };
}

function identity(text: string): Identity {
  const parsed = parseIdentity(text);
  assert.ok(parsed.ok);
  return parsed.value;
}

function offered(text: string, use: ProposalUse) {
  const parsed = parseProposals([text], use);
  assert.ok(parsed.ok);
  return parsed.value;
}

function scene(recorded: RecordedExchange) {
  const request = messageOf(recorded, 0);
  const response = messageOf(recorded, 1);
  const sa = findPayload(response.message.payloads, 'SA');
  assert.ok(sa);
  const chosen = checkChosen(offered(recorded.ike, 'ike'), sa.proposals);
  assert.ok(chosen.ok);
  const suite = ikeSuite(chosen.value);
  assert.ok(suite);
  const nonces = {
    ni: findPayload(request.message.payloads, 'NONCE')?.data ?? new Uint8Array(0),
    nr: findPayload(response.message.payloads, 'NONCE')?.data ?? new Uint8Array(0),
  };
  const seed = skeyseed(suite.prf, nonces, bytesOf(recorded.shared));
  const keys = deriveIkeKeys(suite, seed, nonces, response.message.header);
  return { request, response, suite, nonces, seed, keys };
}

function open(recorded: RecordedExchange, index: number): readonly Payload[] {
  const { suite, keys } = scene(recorded);
  const { bytes, message } = messageOf(recorded, index);
  const opener = index % 2 === 0 ? 'responder' : 'initiator';
  const opened = createProtection(opener, suite, keys, () => new Uint8Array(16)).open(bytes, message);
  assert.ok(opened.ok, JSON.stringify(opened));
  return opened.value.payloads;
}

for (const recorded of recordedExchanges) {
  test(`${recorded.name}: SKEYSEED and the seven keys are those of strongSwan (RFC 7296 §2.14)`, () => {
    const { seed, keys } = scene(recorded);
    assert.equal(toHex(seed), recorded.skeyseed);
    const ours = Object.fromEntries(Object.entries(keys).map(([name, key]) => [name, toHex(key)]));
    assert.deepEqual(ours, recorded.keys);
  });

  test(`${recorded.name}: AUTH of both sides (RFC 7296 §2.15)`, () => {
    const { request, response, suite, nonces, keys } = scene(recorded);
    const initiator: SignedParts = {
      prf: suite.prf,
      message: request.bytes,
      peerNonce: nonces.nr,
      skP: keys.pi,
      identity: identity('alice@office.test'),
    };
    const responder: SignedParts = {
      prf: suite.prf,
      message: response.bytes,
      peerNonce: nonces.ni,
      skP: keys.pr,
      identity: identity('vpn.office.test'),
    };
    assert.equal(toHex(pskAuth(secret, initiator)), recorded.authInitiator);
    assert.equal(toHex(pskAuth(secret, responder)), recorded.authResponder);
    assert.equal(verifyPskAuth(secret, responder, bytesOf(recorded.authResponder)), true);
    assert.equal(verifyPskAuth(secret, initiator, bytesOf(recorded.authResponder)), false);
    assert.equal(verifyPskAuth(fromUtf8('another'), responder, bytesOf(recorded.authResponder)), false);
    // What they sent is what they printed.
    assert.equal(toHex(findPayload(open(recorded, 3), 'AUTH')?.data ?? new Uint8Array(0)), recorded.authResponder);
  });

  test(`${recorded.name}: every message opens, with the payloads both sides logged`, () => {
    const kinds = [2, 3, 4, 5, 6, 7].map((index) =>
      open(recorded, index)
        .map(({ kind }) => kind)
        .join(' '),
    );
    assert.deepEqual(kinds, ['IDi IDr AUTH CP SA TSi TSr', 'IDr AUTH CP SA TSi TSr', '', '', 'D', '']);
  });

  test(`${recorded.name}: sealing the same payloads with the same IV gives the same octets`, () => {
    const { suite, keys } = scene(recorded);
    // The IV is read from the record; an AEAD counts and does not ask.
    const ivs = [2, 4, 6].map((index) => messageOf(recorded, index).bytes.slice(32, 32 + 16));
    const protection = createProtection('initiator', suite, keys, () => ivs.shift() ?? new Uint8Array(16));
    for (const index of [2, 4, 6]) {
      const { message } = messageOf(recorded, index);
      const datagrams = protection.seal(message.header, open(recorded, index));
      assert.deepEqual(datagrams.map(toHex), [recorded.messages[index]]);
    }
  });

  test(`${recorded.name}: keys of the CHILD SA (RFC 7296 §2.17)`, () => {
    const { suite, nonces, keys } = scene(recorded);
    const sa = findPayload(open(recorded, 3), 'SA');
    assert.ok(sa);
    const chosen = checkChosen(
      offered(recorded.esp, 'esp').map((one) => ({ ...one, spi: new Uint8Array(4) })),
      sa.proposals,
    );
    assert.ok(chosen.ok, JSON.stringify(chosen));
    const child = childSuite(chosen.value);
    assert.ok(child);
    const { initiatorToResponder, responderToInitiator } = deriveChildKeys(suite.prf, keys.d, child, nonces);
    assert.deepEqual(
      {
        encryptionI: toHex(initiatorToResponder.encryption),
        encryptionR: toHex(responderToInitiator.encryption),
        integrityI: toHex(initiatorToResponder.integrity),
        integrityR: toHex(responderToInitiator.integrity),
      },
      recorded.child,
    );
  });

  test(`${recorded.name}: one changed octet anywhere and the message does not open`, () => {
    const { suite, keys } = scene(recorded);
    const protection = createProtection('initiator', suite, keys, () => new Uint8Array(16));
    const { bytes } = messageOf(recorded, 3);
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at] ^= 0x40;
      const parsed = parseMessage(changed);
      if (!parsed.ok) continue;
      const opened = protection.open(changed, parsed.value);
      assert.ok(!opened.ok && opened.error.code !== 'syntax', `octet ${at}`);
    }
  });

  test(`${recorded.name}: NAT detection on the real addresses`, () => {
    const { response } = scene(recorded);
    const { header, payloads } = response.message;
    const local = { address: '192.168.77.2', port: 500 };
    const remote = { address: '198.51.100.10', port: 500 };
    // strongSwan's userspace ESP wants UDP encapsulation and says so by a source hash that matches nothing.
    assert.deepEqual(detectNat(header, payloads, local, remote), { supported: true, local: false, remote: true });
    assert.equal(detectNat(header, payloads, { ...local, port: 501 }, remote).local, true);
    assert.equal(detectNat(header, payloads, { ...local, address: '10.0.0.1' }, remote).local, true);
  });
}

test('an IKE_AUTH answer of strongSwan, read as a whole', () => {
  const payloads = open(recordedExchanges[0], 3);
  assert.equal(identity('vpn.office.test').text, 'vpn.office.test');
  const idr = findPayload(payloads, 'IDr');
  assert.deepEqual(idr?.data, fromUtf8('vpn.office.test'));
});
