/**
 * The keys of an IKE SA with ML-KEM beside x25519, and AUTH over its IKE_INTERMEDIATE exchanges, computed once more from the datagrams and the
 * client's random octets alone: by node:crypto and the formulas of RFC 7296 §2.13–2.15, RFC 9370 §2.2.2 and RFC 9242 §3.3.2 as they are
 * written here, without any code of core but the one that is looked at.
 */
import assert from 'node:assert/strict';
import { createDecipheriv, createHmac, createPrivateKey, createPublicKey, decapsulate, diffieHellman } from 'node:crypto';
import { test } from 'node:test';
import { createInitiator } from '../../core/ike/sa/initiator.ts';
import { Conversation } from '../gateway/conversation.ts';
import { clientConfig, officeConfig, proposals, SECRET, seededRandom } from '../gateway/fixtures.ts';
import { createHeadOffice } from '../gateway/responder.ts';

/** PRF_HMAC_SHA2_256. */
function prf(key: Uint8Array, ...data: readonly Uint8Array[]): Buffer {
  return createHmac('sha256', key).update(Buffer.concat(data)).digest();
}

function prfPlus(key: Uint8Array, seed: Uint8Array, length: number): Buffer {
  const blocks: Buffer[] = [];
  for (let i = 1; 32 * blocks.length < length; i++) blocks.push(prf(key, ...blocks.slice(-1), seed, Uint8Array.of(i)));
  return Buffer.concat(blocks).subarray(0, length);
}

interface Keys {
  readonly d: Buffer;
  readonly ei: Buffer;
  readonly er: Buffer;
  readonly pi: Buffer;
  readonly pr: Buffer;
}

/** AES-256-GCM: no SK_a, 36 octets of SK_e with the salt. */
function sevenKeys(skeyseed: Buffer, nonces: Buffer, spis: Buffer): Keys {
  const all = prfPlus(skeyseed, Buffer.concat([nonces, spis]), 3 * 32 + 2 * 36);
  const cut = (from: number, length: number) => all.subarray(from, from + length);
  return { d: cut(0, 32), ei: cut(32, 36), er: cut(68, 36), pi: cut(104, 32), pr: cut(136, 32) };
}

/** Payload types and bodies, from the first type on. */
function chain(first: number, octets: Buffer): readonly { readonly type: number; readonly body: Buffer }[] {
  const found: { type: number; body: Buffer }[] = [];
  for (let at = 0, type = first; type !== 0; ) {
    const length = octets.readUInt16BE(at + 2);
    found.push({ type, body: octets.subarray(at + 4, at + length) });
    type = octets[at] ?? 0;
    at += length;
  }
  return found;
}

function bodyOf(first: number, octets: Buffer, type: number): Buffer {
  const found = chain(first, octets).find((one) => one.type === type);
  assert.ok(found, `payload ${type}`);
  return found.body;
}

/** An SK message opened: A | P of RFC 9242 §3.3.2, and the inner payloads. */
function opened(message: Buffer, key: Buffer): { readonly form: Buffer; readonly first: number; readonly inner: Buffer } {
  assert.equal(message[16], 46, 'SK');
  const decipher = createDecipheriv(
    'aes-256-gcm',
    key.subarray(0, 32),
    Buffer.concat([key.subarray(32), message.subarray(32, 40)]),
  );
  decipher.setAAD(message.subarray(0, 32));
  decipher.setAuthTag(message.subarray(-16));
  const padded = Buffer.concat([decipher.update(message.subarray(40, -16)), decipher.final()]);
  const inner = padded.subarray(0, padded.length - 1 - (padded.at(-1) ?? 0));
  const form = Buffer.concat([message.subarray(0, 32), inner]);
  form.writeUInt32BE(form.length, 24);
  form.writeUInt16BE(4 + inner.length, 30);
  return { form, first: message[28] ?? 0, inner };
}

const KE = 34;
const AUTH = 39;
const NONCE = 40;

test('x25519, ML-KEM-768 and ML-KEM-1024: keys and AUTH of both sides by other hands', () => {
  const drawn: Buffer[] = [];
  const source = seededRandom('client');
  const random = (length: number) => {
    const octets = source(length);
    drawn.push(Buffer.from(octets));
    return octets;
  };
  const ikeProposals = proposals(['aes256gcm16-prfsha256-x25519-ke1_mlkem768-ke2_mlkem1024'], 'ike');
  const endpoint = (address: string, port: number) => ({ address, port });
  const conversation = new Conversation({
    machine: createInitiator({ ...clientConfig, ikeProposals, fragmentation: 'no' }, { random, keyLog: false }),
    office: createHeadOffice({ ...officeConfig, ikeProposals }, { random: seededRandom('office') }),
    client: { ike: endpoint('198.51.100.1', 61_000), natt: endpoint('198.51.100.1', 61_001) },
    gateway: { ike: endpoint('198.51.100.10', 500), natt: endpoint('198.51.100.10', 4500) },
  });
  conversation.tell({ kind: 'start' });
  conversation.run(10_000, () => conversation.outputs('install-child').length > 0);
  const sent = conversation.outputs('transmit').map(({ bytes }) => Buffer.from(bytes));
  const received = conversation.officeHeard.flatMap((output) => (output.kind === 'transmit' ? [Buffer.from(output.bytes)] : []));
  assert.deepEqual(
    sent.map((message) => [message[18], message.readUInt32BE(20)]),
    [
      [34, 0],
      [43, 1],
      [43, 2],
      [35, 3],
    ],
  );
  assert.equal(received.length, 4);
  const [request1, intermediate1, intermediate2, auth1] = sent as [Buffer, Buffer, Buffer, Buffer];
  const [request2, answer1, answer2, auth2] = received as [Buffer, Buffer, Buffer, Buffer];

  // IKE_SA_INIT.
  const plain = (message: Buffer, type: number) => bodyOf(message[16] ?? 0, message.subarray(28), type);
  const [ni, nr] = [plain(request1, NONCE), plain(request2, NONCE)];
  const nonces = Buffer.concat([ni, nr]);
  const spis = request2.subarray(0, 16);
  const ours = plain(request1, KE).subarray(4);
  const x25519 = drawn
    .filter((octets) => octets.length === 32)
    .map(xPrivate)
    .find((key) => xPublic(key).equals(ours));
  assert.ok(x25519, "the client's private value is among what it drew");
  const theirs = createPublicKey({
    key: Buffer.concat([Buffer.from('302a300506032b656e032100', 'hex'), plain(request2, KE).subarray(4)]),
    format: 'der',
    type: 'spki',
  });
  const keys0 = sevenKeys(prf(nonces, diffieHellman({ privateKey: x25519, publicKey: theirs })), nonces, spis);

  // IKE_INTERMEDIATE, twice: each protected by the keys before it.
  const seeds = drawn.filter((octets) => octets.length === 64);
  assert.equal(seeds.length, 2);
  const step = (keys: Keys, [request, answer]: readonly [Buffer, Buffer], seed: Buffer, oid: string) => {
    const asked = opened(request, keys.ei);
    const answered = opened(answer, keys.er);
    const secret = mlkemPrivate(seed, oid);
    const key = bodyOf(asked.first, asked.inner, KE).subarray(4);
    const spki = createPublicKey(secret).export({ format: 'der', type: 'spki' });
    assert.deepEqual(key, spki.subarray(spki.length - key.length), 'the encapsulation key of the seed');
    const shared = decapsulate(secret, bodyOf(answered.first, answered.inner, KE).subarray(4));
    return { next: sevenKeys(prf(keys.d, shared, nonces), nonces, spis), asked: asked.form, answered: answered.form };
  };
  const one = step(keys0, [intermediate1, answer1], seeds[0] as Buffer, '02');
  const two = step(one.next, [intermediate2, answer2], seeds[1] as Buffer, '03');
  const keys = two.next;

  const intAuth = Buffer.concat([
    prf(one.next.pi, prf(keys0.pi, one.asked), two.asked),
    prf(one.next.pr, prf(keys0.pr, one.answered), two.answered),
    Buffer.from('00000003', 'hex'),
  ]);

  // IKE_AUTH.
  const psk = prf(SECRET, Buffer.from('Key Pad for IKEv2'));
  const [asked, answered] = [opened(auth1, keys.ei), opened(auth2, keys.er)];
  const idi = bodyOf(asked.first, asked.inner, 35);
  const idr = bodyOf(answered.first, answered.inner, 36);
  assert.deepEqual(
    bodyOf(asked.first, asked.inner, AUTH).subarray(4),
    prf(psk, request1, nr, prf(keys.pi, idi), intAuth),
    'AUTH of the client',
  );
  assert.deepEqual(
    bodyOf(answered.first, answered.inner, AUTH).subarray(4),
    prf(psk, request2, ni, prf(keys.pr, idr), intAuth),
    'AUTH of the office',
  );

  // The CHILD SA is made of the last SK_d.
  const [{ child }] = conversation.outputs('install-child');
  const keymat = prfPlus(keys.d, nonces, 72);
  assert.deepEqual(Buffer.from(child.keysOut.encryption), keymat.subarray(0, 36));
  assert.deepEqual(Buffer.from(child.keysIn.encryption), keymat.subarray(36));
});

function xPrivate(octets: Buffer) {
  const key = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), octets]);
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
}

function xPublic(key: ReturnType<typeof xPrivate>): Buffer {
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);
}

/** PKCS #8 with the seed alone (RFC 9935 §6); `last` is the last arc of the algorithm's OID. */
function mlkemPrivate(seed: Buffer, last: string) {
  const key = Buffer.concat([Buffer.from(`3054020100300b06096086480165030404${last}04428040`, 'hex'), seed]);
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
}
