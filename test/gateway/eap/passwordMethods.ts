/** MSCHAPv2, GTC, OTP and MD5 as a server. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { concat, fromUtf8, toHex, toUtf8 } from '../../../core/bytes/bytes.ts';
import { authenticatorResponse, msChapMsk, ntPasswordHash, ntResponse } from '../../../core/crypto/msChap.ts';
import {
  accept,
  type EapMisbehaviour,
  type EapUser,
  reject,
  request,
  type ServerMethod,
  type ServerStep,
} from './serverMethod.ts';

export interface PasswordMethodOptions {
  readonly user: EapUser | undefined;
  readonly misbehave?: EapMisbehaviour | undefined;
  /** MSCHAPv2: the octets behind the header of a failure request, whatever they are. */
  readonly failureText?: Uint8Array | undefined;
  /** MSCHAPv2: how often a wrong password may be tried again. */
  readonly retries?: number | undefined;
}

export class MsChapV2Server implements ServerMethod {
  readonly type = 26;
  readonly #options: PasswordMethodOptions;
  #challenge = randomBytes(16);
  #id = randomBytes(1)[0];
  #retries: number;
  #msk: Uint8Array | undefined;
  #state: 'challenged' | 'accepted' | 'refused' = 'challenged';

  constructor(options: PasswordMethodOptions) {
    this.#options = options;
    this.#retries = options.retries ?? 0;
  }

  start(): ServerStep {
    return request(this.#packet(1, concat(Uint8Array.of(16), this.#challenge, fromUtf8('office'))));
  }

  respond(data: Uint8Array): ServerStep {
    if (this.#state === 'accepted') return data[0] === 3 ? accept(this.#msk) : reject('no answer to the success');
    if (this.#state === 'refused') return reject('wrong password');
    if (data[0] !== 2 || data[1] !== this.#id || data.length < 54) return reject('no MSCHAPv2 response');
    return this.#judge(data.subarray(5, 21), data.subarray(29, 53), data.subarray(54));
  }

  #judge(peerChallenge: Uint8Array, response: Uint8Array, name: Uint8Array): ServerStep {
    const { user, misbehave, failureText } = this.#options;
    if (misbehave === 'success-before-proof') return accept(new Uint8Array(64));
    const hash = ntPasswordHash(fromUtf8(user?.password ?? ''));
    const right = user !== undefined && timingSafeEqual(ntResponse(this.#challenge, peerChallenge, name, hash), response);
    if (failureText !== undefined) return this.#refuse(failureText);
    if (!right) return this.#wrong();
    if (user.error !== undefined)
      return this.#refuse(fromUtf8(`E=${user.error} R=0 C=${toHex(randomBytes(16))} V=3 M=Ask the office`));
    this.#msk = msChapMsk(hash, response);
    const proof = authenticatorResponse(hash, response, peerChallenge, this.#challenge, name);
    if (misbehave === 'success-wrong-proof') proof[19] ^= 1;
    const text = misbehave === 'success-without-proof' ? 'M=Welcome' : `S=${toHex(proof).toUpperCase()} M=Welcome`;
    this.#state = 'accepted';
    return request(this.#packet(3, fromUtf8(text)));
  }

  #wrong(): ServerStep {
    const again = this.#retries > 0;
    this.#retries--;
    this.#challenge = randomBytes(16);
    const text = `E=691 R=${again ? 1 : 0} C=${toHex(this.#challenge).toUpperCase()} V=3 M=Wrong password`;
    if (!again) return this.#refuse(fromUtf8(text));
    const packet = this.#packet(4, fromUtf8(text));
    this.#id = (this.#id + 1) & 0xff;
    return request(packet);
  }

  #refuse(text: Uint8Array): ServerStep {
    this.#state = 'refused';
    return request(this.#packet(4, text));
  }

  #packet(code: number, body: Uint8Array): Uint8Array {
    const length = 4 + body.length;
    return concat(Uint8Array.of(code, this.#id, length >>> 8, length & 0xff), body);
  }
}

export class TokenServer implements ServerMethod {
  readonly type: number;
  readonly #options: PasswordMethodOptions;
  #left: { readonly text: string; readonly answer: string }[];

  constructor(name: 'gtc' | 'otp', options: PasswordMethodOptions) {
    this.type = name === 'gtc' ? 6 : 5;
    this.#options = options;
    const { user } = options;
    this.#left = [...(user?.codes ?? [{ text: 'Password', answer: user?.password ?? '' }])];
  }

  start(): ServerStep {
    return request(fromUtf8(this.#left[0].text));
  }

  respond(data: Uint8Array): ServerStep {
    if (this.#options.misbehave === 'endless-questions') return this.start();
    if (this.#options.user === undefined || toUtf8(data) !== this.#left[0].answer) return reject('wrong code');
    this.#left.shift();
    return this.#left.length === 0 ? accept() : this.start();
  }
}

export class Md5Server implements ServerMethod {
  readonly type = 4;
  readonly #user: EapUser | undefined;
  readonly #challenge = randomBytes(16);

  constructor({ user }: PasswordMethodOptions) {
    this.#user = user;
  }

  start(): ServerStep {
    return request(concat(Uint8Array.of(16), this.#challenge, fromUtf8('office')));
  }

  respond(data: Uint8Array, identifier: number): ServerStep {
    const hash = createHash('md5')
      .update(Uint8Array.of(identifier))
      .update(this.#user?.password ?? '')
      .update(this.#challenge);
    const expected = concat(Uint8Array.of(16), hash.digest());
    return this.#user !== undefined && Buffer.compare(data, expected) === 0 ? accept() : reject('wrong password');
  }
}
