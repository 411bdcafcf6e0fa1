/**
 * Proposals as people write them, in strongSwan's keyword notation, and as the wire carries them (RFC 7296 §3.3).
 *
 *   parseProposals(['aes256gcm16-prfsha384-x25519', 'aes256-sha256-modp2048'], 'ike')
 *   parseProposals(['aes256gcm16-esn-noesn', 'default'], 'esp')
 *   parseProposals(['aes256gcm16-prfsha256-x25519-ke1_mlkem768'], 'ike')     // RFC 9370: ke1_ to ke7_ are additional key exchanges
 *
 * Several algorithms of one kind in one text are alternatives, first wanted first; `ke1_none` beside others makes that exchange
 * optional. `default` stands for the defaults below.
 */
import type { Result } from '../bytes/result.ts';
import { err, ok } from '../bytes/result.ts';
import { byKeyword, findAdditionalKe, findEncr, findInteg, findKe, findPrf, transforms as rows } from '../crypto/transforms.ts';
import type { PrfTransform, TransformRow } from '../crypto/types.ts';
import { nameOf, PROTOCOL, TRANSFORM } from './wire/constants.ts';
import type { Proposal, Transform } from './wire/message.ts';

export type ProposalUse = 'ike' | 'esp';

export interface ProposalError {
  readonly code:
    | 'empty' // no proposal, or one without keywords
    | 'too-many' // more than MAX_PROPOSALS
    | 'unknown-keyword'
    | 'refused-keyword' // known to be broken
    | 'wrong-place' // a PRF in ESP, ESN in IKE
    | 'repeated'
    | 'no-encryption'
    | 'no-integrity'
    | 'no-prf'
    | 'no-key-exchange'
    | 'mixed-aead'; // combined-mode and other ciphers in one proposal
  /** The text of the proposal. */
  readonly proposal: string;
  readonly keyword?: string;
  /** One line for people. */
  readonly message: string;
}

export const MAX_PROPOSALS = 32;
const MAX_KEYWORDS = 64;

/** Proposals numbered from 1, SPI empty. The first faulty text is the error. */
export function parseProposals(texts: readonly string[], use: ProposalUse): Result<readonly Proposal[], ProposalError> {
  const lists: Transform[][] = [];
  for (const text of texts) {
    for (const one of expandDefault(text, use)) {
      const parsed = parseOne(one, use);
      if (!parsed.ok) return parsed;
      lists.push(parsed.value);
    }
  }
  if (lists.length === 0) return fail('empty', '', 'there is no proposal');
  if (lists.length > MAX_PROPOSALS) return fail('too-many', texts.join(','), `more than ${MAX_PROPOSALS} proposals`);
  const protocol = use === 'ike' ? PROTOCOL.IKE : PROTOCOL.ESP;
  return ok(lists.map((transforms, i) => ({ number: i + 1, protocol, spi: new Uint8Array(0), transforms })));
}

const aead = 'aes256gcm16-aes128gcm16-chacha20poly1305-prfsha384-prfsha512-prfsha256';
const cbc = 'aes256-aes128-sha384-sha512-sha256-prfsha384-prfsha512-prfsha256';
const groups = 'x25519-ecp384-ecp256-x448-ecp521-modp3072-modp4096-modp2048';
const kem = 'ke1_mlkem768-ke1_mlkem1024-ke1_mlkem512';

/**
 * Strong by default: nothing that RFC 8247 and RFC 8221 advise against. AEAD and other ciphers are in proposals of their own
 * (RFC 5282 §8). x25519 comes first because its key share is the one sent unasked. With ML-KEM beside it before all others, and never as
 * `ke1_none`: a gateway that does not know the transform type has to pass over the whole proposal (RFC 7296 §3.3.6), so those without
 * are proposals of their own.
 */
export const defaultIkeProposals: readonly string[] = [
  `${aead}-${groups}-${kem}`,
  `${cbc}-${groups}-${kem}`,
  `${aead}-${groups}`,
  `${cbc}-${groups}`,
];

/**
 * ESN first: RFC 4303 §2.2.1 wants it wherever the peer has it. A rekey brings a key exchange of its own where the gateway does that
 * (`modpnone`: or not); a gateway that insists on either is satisfied. The CHILD SA of IKE_AUTH never has one (RFC 7296 §1.2).
 */
export const defaultEspProposals: readonly string[] = [
  'aes256gcm16-aes128gcm16-chacha20poly1305-x25519-ecp384-ecp256-x448-ecp521-modp3072-modp4096-modp2048-modpnone-esn-noesn',
  'aes256-aes128-sha512-sha384-sha256-x25519-ecp384-ecp256-x448-ecp521-modp3072-modp4096-modp2048-modpnone-esn-noesn',
];

/** A proposal in the notation above; transforms this client does not know are written as `encr:23:256`. */
export function proposalText(proposal: Proposal): string {
  return proposal.transforms.map(transformText).join('-');
}

export function transformText(transform: Transform): string {
  if (transform.type === TRANSFORM.KE && transform.id === 0) return noKeyExchange;
  const row = transformRow(transform);
  if (row) return row.keyword;
  if (isAdditionalKe(transform.type)) return `ke${transform.type - TRANSFORM.ADDKE1 + 1}_${transform.id}`;
  const size = transform.keyLength === undefined ? '' : `:${transform.keyLength}`;
  return `${nameOf(TRANSFORM, transform.type).toLowerCase()}:${transform.id}${size}`;
}

/** The row of the table of transforms that a transform on the wire means. */
export function transformRow(transform: Transform): TransformRow | undefined {
  if (transform.unknownAttribute) return undefined; // RFC 7296 §3.3.6
  if (transform.type === TRANSFORM.ENCR) return findEncr(transform.id, transform.keyLength);
  if (transform.keyLength !== undefined) return undefined; // RFC 7296 §3.3.5: only for ciphers of several key sizes
  switch (transform.type) {
    case TRANSFORM.PRF:
      return findPrf(transform.id);
    case TRANSFORM.INTEG:
      return findInteg(transform.id);
    case TRANSFORM.KE:
      return findKe(transform.id);
    default:
      if (isAdditionalKe(transform.type)) return findAdditionalKe(transform.type, transform.id);
      return rows.find((row) => row.type === transform.type && row.id === transform.id);
  }
}

/** RFC 9370 §2.2.1: Additional Key Exchange 1 to 7. */
export function isAdditionalKe(type: number): boolean {
  return type >= TRANSFORM.ADDKE1 && type <= TRANSFORM.ADDKE7;
}

/** FEATURES "left out": refused by name, so that people learn why. Everything else unknown is simply unknown. */
const refusedKeywords = /^(des|3des|null|cast128|blowfish\d*|md5|md5_128|prfmd5|aesxcbc|sha1_160|modp(768|1024|1536|1024s160))$/;

/** A key exchange of its own may be left out (RFC 7296 §3.3.2: NONE); only in ESP. */
const noKeyExchange = 'modpnone';

function expandDefault(text: string, use: ProposalUse): readonly string[] {
  if (text.trim().toLowerCase() !== 'default') return [text];
  return use === 'ike' ? defaultIkeProposals : defaultEspProposals;
}

function parseOne(text: string, use: ProposalUse): Result<Transform[], ProposalError> {
  const keywords = text.trim().toLowerCase().split('-');
  if (text.trim() === '') return fail('empty', text, 'a proposal is empty');
  if (keywords.length > MAX_KEYWORDS) return fail('too-many', text.slice(0, 80), `more than ${MAX_KEYWORDS} algorithms`);
  const found: TransformRow[] = [];
  const withoutKe = use === 'esp' && keywords.includes(noKeyExchange);
  for (const keyword of keywords) {
    if (withoutKe && keyword === noKeyExchange) continue;
    const row = byKeyword(keyword);
    if (!row) {
      if (refusedKeywords.test(keyword)) return fail('refused-keyword', text, `${keyword} is not secure and is refused`, keyword);
      return fail('unknown-keyword', text, `${keyword || 'an empty word'} is not an algorithm known here`, keyword);
    }
    if (use === 'esp' ? row.type === TRANSFORM.PRF : row.type === TRANSFORM.ESN)
      return fail('wrong-place', text, `${keyword} does not belong into a proposal for ${use.toUpperCase()}`, keyword);
    if (found.includes(row)) return fail('repeated', text, `${keyword} is there twice`, keyword);
    found.push(row);
  }
  const whole = complete(text, found, use);
  return whole.ok && withoutKe ? ok([...whole.value, { type: TRANSFORM.KE, id: 0 }]) : whole;
}

/** Adds what the notation implies and checks that the proposal can be agreed on (RFC 7296 §3.3.3). */
function complete(text: string, found: readonly TransformRow[], use: ProposalUse): Result<Transform[], ProposalError> {
  const encr = found.filter((row) => row.type === TRANSFORM.ENCR);
  const integ = found.filter((row) => row.type === TRANSFORM.INTEG);
  const ke = found.filter((row) => row.type === TRANSFORM.KE);
  const additional = found.filter((row) => isAdditionalKe(row.type)).sort((a, b) => a.type - b.type);
  let prf = found.filter((row) => row.type === TRANSFORM.PRF);
  let esn = found.filter((row) => row.type === TRANSFORM.ESN);
  if (encr.length === 0) return fail('no-encryption', text, 'it names no encryption algorithm');
  const aead = encr.filter((row) => row.aead).length;
  // RFC 5282 §8: INTEG must not stand beside a combined-mode cipher, and must beside another.
  if (aead !== 0 && aead !== encr.length)
    return fail('mixed-aead', text, 'combined-mode (GCM, ChaCha20-Poly1305) and other ciphers need a proposal each');
  if (aead === 0 && integ.length === 0) return fail('no-integrity', text, 'it names no integrity algorithm');
  if (use === 'ike') {
    // As in strongSwan: without a PRF the hashes of the integrity algorithms are meant.
    if (prf.length === 0) prf = integ.map((row) => impliedPrf(row.hash)).filter((row) => row !== undefined);
    if (prf.length === 0) return fail('no-prf', text, 'it names no PRF (such as prfsha256)');
    if (ke.length === 0) return fail('no-key-exchange', text, 'it names no key exchange (such as x25519)');
  } else if (additional.length > 0 && ke.length === 0) {
    return fail('no-key-exchange', text, 'additional key exchanges need a first one (such as x25519)');
  } else if (esn.length === 0) {
    esn = [byKeyword('noesn')].filter((row) => row?.type === TRANSFORM.ESN); // RFC 7296 §3.3.2: ESN is mandatory in ESP
  }
  return ok([...encr, ...(aead === 0 ? integ : []), ...prf, ...ke, ...additional, ...esn].map(toTransform));
}

function impliedPrf(hash: PrfTransform['hash']): PrfTransform | undefined {
  for (const row of rows) if (row.type === TRANSFORM.PRF && row.hash === hash) return row;
  return undefined;
}

function toTransform(row: TransformRow): Transform {
  const keyLength = row.type === TRANSFORM.ENCR ? row.keyLength : undefined;
  return keyLength === undefined ? { type: row.type, id: row.id } : { type: row.type, id: row.id, keyLength };
}

function fail(
  code: ProposalError['code'],
  proposal: string,
  message: string,
  keyword?: string,
): { readonly ok: false; readonly error: ProposalError } {
  const place = proposal === '' ? '' : `proposal ${proposal}: `;
  const error = { code, proposal, message: `${place}${message}` };
  return err(keyword === undefined ? error : { ...error, keyword });
}
