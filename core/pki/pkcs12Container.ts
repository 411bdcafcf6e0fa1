/**
 * The container of PKCS #12 (RFC 7292 §4) through pkijs and asn1js, because such files are BER: indefinite lengths, strings in pieces. What comes out is
 * strict DER for our own readers; nothing is decrypted or believed here. This file alone knows those packages.
 */
import { type BaseBlock, fromBER, OctetString } from 'asn1js';
import { AuthenticatedSafe, EncryptedData, PFX } from 'pkijs';
import { concat } from '../bytes/bytes.ts';
import { derElement } from '../bytes/derWriter.ts';

export interface Pkcs12Container {
  /** What the MAC is about. */
  readonly authenticated: Uint8Array;
  readonly mac: Pkcs12Mac | undefined;
  readonly safes: readonly Pkcs12Safe[];
}

export interface Pkcs12Mac {
  /** DER AlgorithmIdentifier of the digest, or of PBMAC1 (RFC 9579). */
  readonly algorithm: Uint8Array;
  readonly digest: Uint8Array;
  readonly salt: Uint8Array;
  readonly iterations: number;
}

export type Pkcs12Safe =
  /** DER SafeContents. */
  | { readonly kind: 'plain'; readonly contents: Uint8Array }
  /** `algorithm` is DER. */
  | { readonly kind: 'encrypted'; readonly algorithm: Uint8Array; readonly ciphertext: Uint8Array }
  /** For a public key, or something that is no CMS content at all. */
  | { readonly kind: 'other' };

export const maxPkcs12Octets = 1 << 20;
const limits = { maxDepth: 32, maxNodes: 10_000, maxContentLength: maxPkcs12Octets, parseEmbedded: false };
const maxSafes = 32;

const dataOid = '1.2.840.113549.1.7.1';
const encryptedDataOid = '1.2.840.113549.1.7.6';

/** Undefined: not PKCS #12, or damaged. `signed`: its integrity is protected by a signature instead of a password. */
export function openContainer(file: Uint8Array): Pkcs12Container | 'signed' | undefined {
  try {
    const pfx = new PFX({ schema: parse(file) });
    if (pfx.version !== 3) return undefined;
    if (pfx.authSafe.contentType !== dataOid) return 'signed';
    if (!(pfx.authSafe.content instanceof OctetString)) return undefined;
    const authenticated = new Uint8Array(pfx.authSafe.content.getValue());
    const { safeContents } = new AuthenticatedSafe({ schema: parse(authenticated) });
    if (safeContents.length > maxSafes) return undefined;
    return { authenticated, mac: macOf(pfx), safes: safeContents.map(safeOf) };
  } catch {
    // Both packages throw for whatever they do not understand.
    return undefined;
  }
}

/** DER of SafeContents that were decrypted, which may be BER again; undefined when they are neither. */
export function normalized(octets: Uint8Array): Uint8Array | undefined {
  try {
    return derOf(parse(octets));
  } catch {
    return undefined;
  }
}

function parse(octets: Uint8Array): BaseBlock {
  const { offset, result } = fromBER(octets, limits);
  if (offset !== octets.length) throw new Error('not BER, or more than one element');
  return result;
}

function macOf({ macData }: PFX): Pkcs12Mac | undefined {
  if (macData === undefined) return undefined;
  return {
    algorithm: derOf(macData.mac.digestAlgorithm.toSchema()),
    digest: new Uint8Array(macData.mac.digest.getValue()),
    salt: new Uint8Array(macData.macSalt.getValue()),
    iterations: macData.iterations ?? 1, // RFC 7292 §4: DEFAULT 1
  };
}

function safeOf({ contentType, content }: AuthenticatedSafe['safeContents'][number]): Pkcs12Safe {
  if (contentType === dataOid && content instanceof OctetString)
    return { kind: 'plain', contents: derOf(parse(new Uint8Array(content.getValue()))) };
  if (contentType !== encryptedDataOid) return { kind: 'other' };
  const { encryptedContentInfo } = new EncryptedData({ schema: content });
  return {
    kind: 'encrypted',
    algorithm: derOf(encryptedContentInfo.contentEncryptionAlgorithm.toSchema()),
    ciphertext: new Uint8Array(encryptedContentInfo.getEncryptedContent()),
  };
}

/** The same element in DER as far as lengths and pieces go; depth was bounded when it was parsed. */
function derOf(block: BaseBlock): Uint8Array {
  const { tagClass, tagNumber, isConstructed } = block.idBlock;
  if (tagNumber > 30 || tagClass < 1) throw new Error('a tag that nothing here has');
  const tag = ((tagClass - 1) << 6) | tagNumber;
  if (!isConstructed) return derElement(tag, contentOf(new Uint8Array(block.toBER(false))));
  const children = childrenOf(block);
  // X.690 §8.7.3: an OCTET STRING in pieces.
  if (tag === 0x04) return derElement(tag, ...children.map((child) => contentOf(derOf(child))));
  return derElement(tag | 0x20, ...children.map(derOf));
}

function childrenOf(block: BaseBlock): readonly BaseBlock[] {
  const { value } = block.valueBlock as { readonly value?: unknown };
  if (!Array.isArray(value)) throw new Error('a constructed element without elements');
  return value as readonly BaseBlock[];
}

/** Content octets of a primitive element with a definite length. */
function contentOf(element: Uint8Array): Uint8Array {
  const first = element[1] ?? 0;
  return concat(element.subarray(first < 0x80 ? 2 : 2 + (first & 0x7f)));
}
