/** What an X.509 SubjectPublicKeyInfo of an EC key says, as far as IKEv2 could carry it. For the vectors only: IKEv2 itself has no SPKI. */
export type Spki =
  | { readonly kind: 'named'; readonly curveOid: string; readonly point: Uint8Array }
  | { readonly kind: 'explicit' }
  | { readonly kind: 'malformed' };

const ecPublicKey = '2a8648ce3d0201';
const malformed: Spki = { kind: 'malformed' };

/** Strict DER, RFC 5480 §2: SEQUENCE { SEQUENCE { ecPublicKey, named curve }, BIT STRING }. */
export function parseSpki(der: Uint8Array): Spki {
  const outer = element(der, 0x30);
  if (outer === undefined || outer.rest.length > 0) return malformed;
  const algorithm = element(outer.content, 0x30);
  const key = algorithm && element(algorithm.rest, 0x03);
  if (algorithm === undefined || key === undefined || key.rest.length > 0 || key.content[0] !== 0) return malformed;
  const oid = element(algorithm.content, 0x06);
  if (oid === undefined || Buffer.from(oid.content).toString('hex') !== ecPublicKey) return malformed;
  const named = element(oid.rest, 0x06);
  if (named === undefined) return element(oid.rest, 0x30) === undefined ? malformed : { kind: 'explicit' };
  if (named.rest.length > 0) return malformed;
  return { kind: 'named', curveOid: Buffer.from(named.content).toString('hex'), point: key.content.subarray(1) };
}

function element(der: Uint8Array, tag: number): { content: Uint8Array; rest: Uint8Array } | undefined {
  if (der.length < 2 || der[0] !== tag) return undefined;
  const first = der[1] as number;
  let header = 2;
  let length = first;
  if (first >= 0x80) {
    header = 2 + (first & 0x7f);
    if (first === 0x80 || header > 4 || der.length < header || der[2] === 0) return undefined;
    length = der.subarray(2, header).reduce((sum, octet) => sum * 256 + octet, 0);
    if (length < 0x80) return undefined;
  }
  if (der.length < header + length) return undefined;
  return { content: der.subarray(header, header + length), rest: der.subarray(header + length) };
}
