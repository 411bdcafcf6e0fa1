/** Inner EAP of TTLS and PEAP as a server: identity, one method, and in PEAP the result. */
import { concat, equalBytes, fromUtf8, toHex, toUtf8 } from '../../../core/bytes/bytes.ts';
import { Writer } from '../../../core/bytes/writer.ts';
import { hmacSha1 } from '../../../core/crypto/hash.ts';
import { authenticatorResponse, ntPasswordHash, ntResponse } from '../../../core/crypto/msChap.ts';
import { type Avp, encodeAvps, parseAvps } from '../../../core/ike/auth/eap/avp.ts';
import { encodeEap, parseEap } from '../../../core/ike/auth/eap/packet.ts';
import { type CompoundKeys, compoundKeys, compoundMsk, verifyBinding } from '../../../core/ike/auth/eap/peapBinding.ts';
import { Md5Server, MsChapV2Server, TokenServer } from './passwordMethods.ts';
import type { EapMisbehaviour, EapUser, ServerMethod, ServerStep } from './serverMethod.ts';
import type { ServerPhase, ServerPhaseStep, ServerTlsFacts } from './tlsMethods.ts';

export interface InnerOptions {
  readonly users: Readonly<Record<string, EapUser>>;
  readonly inner: 'mschapv2' | 'gtc' | 'md5';
  readonly misbehave?: EapMisbehaviour | undefined;
  /** PEAP: the server sends a cryptobinding. */
  readonly binding?: boolean | undefined;
  /** PEAP: requests keep their EAP header. */
  readonly headers?: boolean | undefined;
}

export class PeapServerPhase implements ServerPhase {
  readonly #options: InnerOptions;
  #facts: ServerTlsFacts | undefined;
  #inner: ServerMethod | undefined;
  #innerMsk: Uint8Array | undefined;
  #keys: CompoundKeys | undefined;
  #state: 'handshake' | 'inner' | 'accepting' | 'refusing' = 'handshake';

  constructor(options: InnerOptions) {
    this.#options = options;
  }

  opened(facts: ServerTlsFacts): ServerPhaseStep {
    this.#facts = facts;
    // With TLS 1.2 the peer acknowledges our Finished first.
    return facts.version === 'TLSv1.3' ? this.idle() : { kind: 'wait' };
  }

  idle(): ServerPhaseStep {
    if (this.#facts === undefined) return { kind: 'reject', why: 'an empty message in the handshake' };
    this.#state = 'inner';
    if (this.#options.misbehave === 'result-before-inner') return this.#result();
    return this.#request(1, new Uint8Array(0));
  }

  received(plain: Uint8Array, identifier: number): ServerPhaseStep {
    if (this.#state === 'accepting') return this.#accepted(plain);
    if (this.#state === 'refusing') return { kind: 'reject', why: 'refused inside' };
    const [type, data] = [plain[0], plain.subarray(1)];
    if (type === 1) return this.#begin(toUtf8(data));
    if (this.#inner === undefined || type !== this.#inner.type) return this.#refuse();
    return this.#inside(this.#inner.respond(data, identifier));
  }

  #begin(name: string): ServerPhaseStep {
    this.#inner = innerMethod(this.#options, name);
    return this.#inside(this.#inner.start());
  }

  #inside(step: ServerStep): ServerPhaseStep {
    if (step.kind === 'request') return this.#request(this.#inner?.type ?? 0, step.data);
    if (step.kind !== 'accept') return this.#refuse();
    this.#innerMsk = step.msk;
    return this.#result();
  }

  #result(): ServerPhaseStep {
    this.#state = 'accepting';
    const { binding, misbehave } = this.#options;
    const result = Uint8Array.of(0x80, 3, 0, 2, 0, 1);
    if (binding !== true && misbehave !== 'wrong-binding') return write(encodeEap(1, 7, 33, result));
    const inner = new Uint8Array(32);
    inner.set(this.#innerMsk?.subarray(0, 32) ?? []);
    this.#keys = compoundKeys(this.#facts?.keyMaterial ?? new Uint8Array(128), inner);
    const tlv = new Writer().u16(12).u16(56).u32(0).bytes(new Uint8Array(32).fill(0x5a)).zeros(20).finish();
    tlv.set(hmacSha1(this.#keys.cmk, tlv, Uint8Array.of(25)), 40);
    if (misbehave === 'wrong-binding') tlv[59] ^= 1;
    return write(encodeEap(1, 7, 33, concat(result, tlv)));
  }

  #accepted(plain: Uint8Array): ServerPhaseStep {
    const parsed = parseEap(plain);
    if (!parsed.ok || parsed.value.kind !== 'response' || parsed.value.type !== 33)
      return { kind: 'reject', why: 'no result from the peer' };
    const data = parsed.value.data;
    if (toHex(data.subarray(0, 6)) !== '800300020001') return { kind: 'reject', why: 'the peer says failure' };
    if (this.#keys === undefined) return accepted(this.#facts?.keyMaterial.slice(0, 64));
    const tlv = data.slice(6);
    const nonce = tlv.subarray(8, 40);
    // The nonce is theirs: ours with a bit changed ([MS-PEAP]), or any (wpa_supplicant).
    const right = tlv.length === 60 && tlv[7] === 1;
    if (!right || !verifyBinding(this.#keys, { nonce, mac: tlv.subarray(40), tlv }))
      return { kind: 'reject', why: 'wrong cryptobinding' };
    return accepted(compoundMsk(this.#keys));
  }

  #refuse(): ServerPhaseStep {
    this.#state = 'refusing';
    return write(encodeEap(1, 7, 33, Uint8Array.of(0x80, 3, 0, 2, 0, 2)));
  }

  #request(type: number, data: Uint8Array): ServerPhaseStep {
    return write(this.#options.headers === true ? encodeEap(1, 6, type, data) : concat(Uint8Array.of(type), data));
  }
}

/** TTLS with inner EAP. */
export class TtlsEapServerPhase implements ServerPhase {
  readonly #options: InnerOptions;
  #facts: ServerTlsFacts | undefined;
  #inner: ServerMethod | undefined;
  #identifier = 40;

  constructor(options: InnerOptions) {
    this.#options = options;
  }

  opened(facts: ServerTlsFacts): ServerPhaseStep {
    this.#facts = facts;
    return { kind: 'wait' };
  }

  idle(): ServerPhaseStep {
    return { kind: 'reject', why: 'nothing inside TTLS' };
  }

  received(plain: Uint8Array): ServerPhaseStep {
    const message = attribute(plain, 0, 79);
    const parsed = message === undefined ? undefined : parseEap(message);
    if (parsed?.ok !== true || parsed.value.kind !== 'response') return { kind: 'reject', why: 'no EAP inside TTLS' };
    const { type, data } = parsed.value;
    if (type === 1) this.#inner = innerMethod(this.#options, toUtf8(data));
    if (this.#inner === undefined || (type !== 1 && type !== this.#inner.type))
      return { kind: 'reject', why: `inner type ${type}` };
    const step = type === 1 ? this.#inner.start() : this.#inner.respond(data, this.#identifier);
    if (step.kind === 'accept') return accepted(this.#facts?.keyMaterial.slice(0, 64));
    if (step.kind !== 'request') return { kind: 'reject', why: 'refused inside' };
    this.#identifier++;
    const packet = encodeEap(1, this.#identifier, this.#inner.type, step.data);
    // Spread over two attributes, as a server may.
    return write(
      encodeAvps([
        { vendor: 0, code: 79, data: packet.subarray(0, 6) },
        { vendor: 0, code: 79, data: packet.subarray(6) },
      ]),
    );
  }
}

/** TTLS with MS-CHAPv2 or PAP in attributes. */
export class TtlsPlainServerPhase implements ServerPhase {
  readonly #users: Readonly<Record<string, EapUser>>;
  readonly #misbehave: EapMisbehaviour | undefined;
  #facts: ServerTlsFacts | undefined;

  constructor(users: Readonly<Record<string, EapUser>>, misbehave: EapMisbehaviour | undefined) {
    this.#users = users;
    this.#misbehave = misbehave;
  }

  opened(facts: ServerTlsFacts): ServerPhaseStep {
    this.#facts = facts;
    return { kind: 'wait' };
  }

  idle(): ServerPhaseStep {
    return { kind: 'reject', why: 'nothing inside TTLS' };
  }

  received(plain: Uint8Array): ServerPhaseStep {
    const name = attribute(plain, 0, 1);
    const user = name === undefined ? undefined : this.#users[toUtf8(name)];
    if (name === undefined || user === undefined) return { kind: 'reject', why: 'unknown user' };
    const key = this.#facts?.keyMaterial.slice(0, 64) ?? new Uint8Array(64);
    const password = attribute(plain, 0, 2);
    if (password !== undefined) {
      const right = password.length % 16 === 0 && toUtf8(password).replace(/\0+$/, '') === user.password;
      return right ? { kind: 'accept', msk: key, after: false, octets: password } : { kind: 'reject', why: 'wrong password' };
    }
    return this.#msChap(plain, name, user, key);
  }

  #msChap(plain: Uint8Array, name: Uint8Array, user: EapUser, msk: Uint8Array): ServerPhaseStep {
    const challenge = attribute(plain, 311, 11);
    const value = attribute(plain, 311, 25);
    const material = this.#facts?.challenge;
    if (challenge === undefined || value?.length !== 50 || material === undefined) return { kind: 'reject', why: 'no MS-CHAPv2' };
    if (!equalBytes(challenge, material.subarray(0, 16)) || value[0] !== material[16])
      return { kind: 'reject', why: 'another challenge' };
    const peerChallenge = value.subarray(2, 18);
    const response = value.subarray(26, 50);
    const hash = ntPasswordHash(fromUtf8(user.password));
    if (!equalBytes(response, ntResponse(challenge, peerChallenge, name, hash))) {
      const text = fromUtf8(`\x01E=691 R=0 C=${'0'.repeat(32)} V=3 M=Wrong password`);
      return write(encodeAvps([{ vendor: 311, code: 2, data: text }]));
    }
    const proof = authenticatorResponse(hash, response, peerChallenge, challenge, name);
    if (this.#misbehave === 'success-wrong-proof') proof[0] ^= 1;
    const success = concat(
      value.subarray(0, 1),
      fromUtf8(this.#misbehave === 'success-without-proof' ? 'M=x' : `S=${toHex(proof).toUpperCase()}`),
    );
    return { kind: 'accept', msk, after: true, octets: encodeAvps([{ vendor: 311, code: 26, data: success }]) };
  }
}

function innerMethod(options: InnerOptions, name: string): ServerMethod {
  const user = options.users[name];
  const { misbehave } = options;
  switch (options.inner) {
    case 'mschapv2':
      return new MsChapV2Server({ user, misbehave });
    case 'gtc':
      return new TokenServer('gtc', { user, misbehave });
    case 'md5':
      return new Md5Server({ user, misbehave });
  }
}

function attribute(plain: Uint8Array, vendor: number, code: number): Uint8Array | undefined {
  const avps = parseAvps(plain);
  const found: Avp | undefined = avps.ok ? avps.value.find((avp) => avp.vendor === vendor && avp.code === code) : undefined;
  return found?.data;
}

const write = (octets: Uint8Array): ServerPhaseStep => ({ kind: 'write', octets });

const accepted = (msk: Uint8Array | undefined): ServerPhaseStep => ({
  kind: 'accept',
  msk: msk ?? new Uint8Array(64),
  after: false,
  octets: new Uint8Array(0),
});
