/**
 * PEAP version 0: the Extensions TLVs (draft-josefsson-pppext-eap-tls-eap-06 §3, [MS-PEAP] §2.2.8), and the cryptobinding, which shows that both ends
 * of the tunnel are both ends of the inner method ([MS-PEAP] §3.1.5.5).
 */
import { concat, equalConstantTime } from '../../../bytes/bytes.ts';
import { Reader } from '../../../bytes/reader.ts';
import { err, ok, type Result } from '../../../bytes/result.ts';
import { Writer } from '../../../bytes/writer.ts';
import { hmacSha1 } from '../../../crypto/hash.ts';
import { eapType } from './packet.ts';

export interface PeapTlvs {
  readonly result: 'success' | 'failure' | undefined;
  readonly binding: CryptoBinding | undefined;
}

export interface CryptoBinding {
  readonly nonce: Uint8Array;
  readonly mac: Uint8Array;
  /** The whole TLV as it came. */
  readonly tlv: Uint8Array;
}

/** The TLVs behind the type 33 of a request. The error is one printable line. */
export function parseTlvs(bytes: Uint8Array): Result<PeapTlvs, string> {
  const reader = new Reader(bytes);
  let result: PeapTlvs['result'];
  let binding: CryptoBinding | undefined;
  for (let count = 0; reader.remaining > 0; count++) {
    const from = reader.offset;
    const type = reader.u16();
    const value = reader.bytes(reader.u16());
    if (reader.short || count > MAX_TLVS) return err(`${bytes.length} octets of PEAP TLVs that can not be read`);
    switch (type & TYPE) {
      case RESULT:
        if (value.length !== 2 || result !== undefined) return err('a PEAP result that can not be read');
        result = new Reader(value).u16() === SUCCESS ? 'success' : 'failure';
        break;
      case BINDING:
        if (value.length !== 56 || value[3] !== REQUEST || binding !== undefined)
          return err('a PEAP cryptobinding that can not be read');
        binding = {
          nonce: value.subarray(4, 36),
          mac: value.subarray(36),
          tlv: bytes.slice(from, reader.offset),
        };
        break;
      default:
        if ((type & MANDATORY) !== 0) return err(`mandatory PEAP TLV ${type & TYPE}`);
    }
  }
  return ok({ result, binding });
}

/** The data of the response of type 33. */
export function encodeResult(success: boolean, binding: Uint8Array | undefined): Uint8Array {
  const writer = new Writer(80);
  writer
    .u16(MANDATORY | RESULT)
    .u16(2)
    .u16(success ? SUCCESS : FAILURE);
  if (binding !== undefined) writer.bytes(binding);
  return writer.finish();
}

/** The keys that come out of both the tunnel (`tunnelKey`, 60 octets of its material) and the inner method (`innerKey`, 32 octets). */
export interface CompoundKeys {
  readonly ipmk: Uint8Array;
  readonly cmk: Uint8Array;
}

export function compoundKeys(tunnelKey: Uint8Array, innerKey: Uint8Array): CompoundKeys {
  const both = peapPrf(tunnelKey.subarray(0, 40), 'Inner Methods Compound Keys', innerKey, 60);
  return { ipmk: both.subarray(0, 40), cmk: both.subarray(40) };
}

/** [MS-PEAP] §3.1.5.5.2.2: 64 octets of MSK. */
export function compoundMsk({ ipmk }: CompoundKeys): Uint8Array {
  return peapPrf(ipmk, 'Session Key Generating Function', Uint8Array.of(0), 128).slice(0, 64);
}

export function verifyBinding(keys: CompoundKeys, binding: CryptoBinding): boolean {
  return equalConstantTime(bindingMac(keys, binding.tlv), binding.mac);
}

/** Our TLV: the server's nonce with the last bit turned on, versions 0, and the MAC over it. */
export function answerBinding(keys: CompoundKeys, nonce: Uint8Array): Uint8Array {
  const ours = nonce.slice();
  ours[31] |= 1;
  const tlv = new Writer(60).u16(BINDING).u16(56).u8(0).u8(0).u8(0).u8(RESPONSE).bytes(ours).zeros(20).finish();
  tlv.set(bindingMac(keys, tlv), 40);
  return tlv;
}

/** Over the TLV with zeros in the place of the MAC, and the type of PEAP. */
function bindingMac({ cmk }: CompoundKeys, tlv: Uint8Array): Uint8Array {
  const blank = tlv.slice();
  blank.fill(0, 40);
  return hmacSha1(cmk, blank, Uint8Array.of(eapType.peap));
}

/** [MS-PEAP] §3.1.5.5.2.1, PRF+ with two zeros after the counter. */
function peapPrf(key: Uint8Array, label: string, seed: Uint8Array, length: number): Uint8Array {
  const text = concat(new TextEncoder().encode(label), seed);
  const parts: Uint8Array[] = [];
  let previous = new Uint8Array(0);
  for (let counter = 1; parts.length * 20 < length; counter++) {
    previous = Uint8Array.from(hmacSha1(key, previous, text, Uint8Array.of(counter, 0, 0)));
    parts.push(previous);
  }
  return concat(...parts).subarray(0, length);
}

const MANDATORY = 0x8000;
const TYPE = 0x3fff;
const RESULT = 3;
const BINDING = 12;
const SUCCESS = 1;
const FAILURE = 2;
const REQUEST = 0;
const RESPONSE = 1;
const MAX_TLVS = 16;
