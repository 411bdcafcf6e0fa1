/** MS-CHAPv2: the arithmetic of RFC 2759 §8 and RFC 3079 §3. Passwords are UTF-8 octets; nothing is kept. */
import { sha1 } from '@noble/hashes/legacy.js';
import { concat, fromUtf8, secretOctets } from '../bytes/bytes.ts';
import { md4 } from './md4.ts';
import { desEncryptBlock } from './node/des.ts';

/** RFC 2759 §8.3: 16 octets. The password is hashed as UTF-16, little end first. */
export function ntPasswordHash(password: Uint8Array): Uint8Array {
  const unicode = utf16(password);
  const hash = md4(unicode);
  unicode.fill(0);
  return hash;
}

/** RFC 2759 §8.1: 24 octets. Both challenges are 16 octets. */
export function ntResponse(
  authenticatorChallenge: Uint8Array,
  peerChallenge: Uint8Array,
  userName: Uint8Array,
  passwordHash: Uint8Array,
): Uint8Array {
  const challenge = challengeHash(peerChallenge, authenticatorChallenge, userName);
  // RFC 2759 §8.5: the hash is filled up with zeros to three DES keys.
  const keys = new Uint8Array(21);
  keys.set(passwordHash);
  const parts = [0, 7, 14].map((at) => desEncryptBlock(keys.subarray(at, at + 7), challenge));
  keys.fill(0);
  return concat(...parts);
}

/** RFC 2759 §8.7: the 20 octets of which the server sends the hexadecimal digits as `S=`. */
export function authenticatorResponse(
  passwordHash: Uint8Array,
  response: Uint8Array,
  peerChallenge: Uint8Array,
  authenticatorChallenge: Uint8Array,
  userName: Uint8Array,
): Uint8Array {
  const hashHash = md4(passwordHash);
  const digest = sha1(concat(hashHash, response, MAGIC_1));
  const challenge = challengeHash(peerChallenge, authenticatorChallenge, userName);
  hashHash.fill(0);
  return sha1(concat(digest, challenge, MAGIC_2));
}

/**
 * The MSK of EAP-MSCHAPv2, 64 octets: the server's receive key and send key of RFC 3079 §3.3, of 16 octets each, then zeros. Every gateway in
 * the field does it in this order (MS-MPPE-Recv-Key before MS-MPPE-Send-Key).
 */
export function msChapMsk(passwordHash: Uint8Array, response: Uint8Array): Uint8Array {
  const hashHash = md4(passwordHash);
  const master = sha1(concat(hashHash, response, MASTER_MAGIC)).subarray(0, 16);
  const msk = new Uint8Array(64);
  msk.set(startKey(master, CLIENT_SENDS), 0);
  msk.set(startKey(master, CLIENT_RECEIVES), 16);
  hashHash.fill(0);
  master.fill(0);
  return msk;
}

/** RFC 3079 §3.3 GetAsymmetricStartKey, 16 octets. */
function startKey(master: Uint8Array, magic: Uint8Array): Uint8Array {
  return sha1(concat(master, new Uint8Array(40), magic, new Uint8Array(40).fill(0xf2))).subarray(0, 16);
}

/** RFC 2759 §8.2: 8 octets, over the user name without its domain. */
export function challengeHash(peerChallenge: Uint8Array, authenticatorChallenge: Uint8Array, userName: Uint8Array): Uint8Array {
  return sha1(concat(peerChallenge, authenticatorChallenge, withoutDomain(userName))).subarray(0, 8);
}

/** `OFFICE\alice` is hashed as `alice`; a realm behind `@` is part of the name. */
function withoutDomain(userName: Uint8Array): Uint8Array {
  return userName.subarray(userName.lastIndexOf(0x5c) + 1);
}

/** UTF-8 to UTF-16 without a string in between, which nobody could wipe. Malformed octets are taken as Latin-1. */
function utf16(utf8: Uint8Array): Uint8Array {
  const out = secretOctets(2 * utf8.length);
  let length = 0;
  const put = (unit: number) => {
    out[length++] = unit & 0xff;
    out[length++] = unit >>> 8;
  };
  for (let at = 0; at < utf8.length; ) {
    const { point, octets } = codePoint(utf8, at);
    at += octets;
    if (point < 0x10000) put(point);
    else {
      put(0xd800 + ((point - 0x10000) >>> 10));
      put(0xdc00 + ((point - 0x10000) & 0x3ff));
    }
  }
  return out.subarray(0, length);
}

function codePoint(utf8: Uint8Array, at: number): { readonly point: number; readonly octets: number } {
  const first = utf8[at];
  const octets = first < 0xc2 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 1;
  if (octets === 1) return { point: first, octets };
  let point = first & (0x7f >>> octets);
  for (let i = 1; i < octets; i++) {
    const next = utf8[at + i];
    if (next === undefined || (next & 0xc0) !== 0x80) return { point: first, octets: 1 };
    point = (point << 6) | (next & 0x3f);
  }
  return point > 0x10ffff ? { point: first, octets: 1 } : { point, octets };
}

const MAGIC_1 = fromUtf8('Magic server to client signing constant');
const MAGIC_2 = fromUtf8('Pad to make it do more than one iteration');
const MASTER_MAGIC = fromUtf8('This is the MPPE Master Key');
/** RFC 3079 §3.4, Magic2 and Magic3. */
const CLIENT_SENDS = fromUtf8('On the client side, this is the send key; on the server side, it is the receive key.');
const CLIENT_RECEIVES = fromUtf8('On the client side, this is the receive key; on the server side, it is the send key.');
