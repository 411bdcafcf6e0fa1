/**
 * Stateless cookies (RFC 7296 §2.6): version | HMAC(secret, Ni | address and port | SPIi). The secret changes after a while; the one
 * before is still taken, so that a client in the middle of its retry is not turned away.
 */
import { createHmac } from 'node:crypto';
import { concat, equalConstantTime, fromUtf8 } from '../../core/bytes/bytes.ts';
import type { Random } from '../../core/crypto/types.ts';
import type { Endpoint } from '../../core/ike/sa/contract.ts';

export interface CookieJar {
  /** The cookie this initiator must bring: 33 octets. */
  make(nonce: Uint8Array, spiI: Uint8Array, from: Endpoint, now: number): Uint8Array;
  accepts(cookie: Uint8Array, nonce: Uint8Array, spiI: Uint8Array, from: Endpoint, now: number): boolean;
}

const SECRET_LIFETIME_MS = 60_000;

export function createCookieJar(random: Random): CookieJar {
  let version = 0;
  let secrets: readonly Uint8Array[] = [random(32)];
  let since = 0;

  const turn = (now: number): void => {
    if (now - since < SECRET_LIFETIME_MS) return;
    since = now;
    version = (version + 1) & 0xff;
    secrets = [random(32), ...secrets.slice(0, 1)];
  };
  const tagOf = (secret: Uint8Array, nonce: Uint8Array, spiI: Uint8Array, from: Endpoint): Uint8Array => {
    const mac = createHmac('sha256', secret);
    mac
      .update(nonce)
      .update(fromUtf8(`${from.address} ${from.port} `))
      .update(spiI);
    return new Uint8Array(mac.digest());
  };

  return {
    make: (nonce, spiI, from, now) => {
      turn(now);
      return concat(Uint8Array.of(version), tagOf(secrets[0] as Uint8Array, nonce, spiI, from));
    },
    accepts: (cookie, nonce, spiI, from, now) => {
      turn(now);
      const secret = secrets[(version - (cookie[0] ?? 0) + 256) & 0xff];
      return secret !== undefined && equalConstantTime(cookie.subarray(1), tagOf(secret, nonce, spiI, from));
    },
  };
}
