/** Certificates and chains from strangers: never an exception, never much time, and no path that its signatures do not bear out. */
import { createPrivateKey } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { concat, equalBytes, toHex } from '../../core/bytes/bytes.ts';
import { childrenOf, type DerNode, readDer } from '../../core/bytes/der.ts';
import { derElement } from '../../core/bytes/derWriter.ts';
import { publicKeyFault, verifySignature } from '../../core/crypto/signatures.ts';
import { describe, parseCertificate } from '../../core/pki/certificate.ts';
import { conformanceRemarks } from '../../core/pki/conformance.ts';
import type { Certificate } from '../../core/pki/contract.ts';
import { namesText } from '../../core/pki/identity.ts';
import { validatePath } from '../../core/pki/path.ts';
import { type CertificateSpec, type IssuedCertificate, makeCertificate } from '../authority/certificate.ts';
import { extension } from '../authority/extensions.ts';
import { givenKey } from '../authority/keys.ts';
import { type CaseResult, demand, runTarget } from './harness.ts';
import { mutateBytes, type Prng } from './mutate.ts';

export interface PkiRuns {
  readonly der: number;
  readonly certificates: number;
  readonly paths: number;
}

export const FULL_PKI: PkiRuns = { der: 20_000, certificates: 10_000, paths: 1000 };

export function fuzzPki(runs: PkiRuns, seed = 5280): CaseResult[] {
  return [fuzzDer(runs.der, seed), fuzzCertificates(runs.certificates, seed + 1), fuzzPaths(runs.paths, seed + 2)];
}

/** Keys, serials and dates are fixed, so that a seed gives the same octets everywhere. */
const at = Date.UTC(2026, 0, 1);

function made(number: number, spec: CertificateSpec, issuer?: IssuedCertificate): IssuedCertificate {
  const raw = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, number)]);
  const key = givenKey(createPrivateKey({ key: raw, format: 'der', type: 'pkcs8' }));
  const fixed = { key, serial: 0x1000 + number, notBefore: new Date(0), notAfter: new Date(at + 3_600_000) };
  return makeCertificate({ ...fixed, ...spec }, issuer);
}

const root = made(1, { subject: 'CN=Root,O=Office', ca: true });
const middle = made(
  2,
  {
    subject: 'CN=Middle,OU=\u00dcber,O=Office',
    ca: { pathLength: 1 },
    nameConstraints: {
      permitted: ['dns:office.test', 'ip:192.0.2.0/24', 'dn:O=Office'],
      excluded: ['email:.test', 'uri:.x.test'],
    },
    policies: ['1.2.3.1', '2.5.29.32.0'],
    extensions: [extension.policyConstraints(1, 0), extension.inhibitAnyPolicy(1)],
  },
  root,
);
const again = made(3, { subject: root.subject, key: middle.key, ca: true }, middle);
const gateway = made(
  4,
  {
    subject: 'CN=vpn.office.test,C=DE,O=Office',
    san: ['dns:vpn.office.test', 'ip:192.0.2.1', 'dn:CN=x,O=Office', 'upn:a@b', 'rid:1.2.3'],
    eku: ['ipsecIKE', 'serverAuth'],
    policies: ['1.2.3.1'],
    crlUrl: [{ uris: ['http://crl.test/a.crl'], reasons: ['keyCompromise'], issuer: 'CN=Other' }],
    ocspUrl: 'http://ocsp.test/',
    issuerUrl: 'http://crl.test/ca.cer',
    noCheck: true,
  },
  middle,
);
const good: readonly Uint8Array[] = [gateway.der, middle.der, root.der, again.der];
const seeds: readonly Uint8Array[] = [...good, made(5, { subject: 'CN=old', version: 1, san: [] }, root).der];

/** What is read is written again to the same octets, so nothing has two readings. */
function fuzzDer(runs: number, seed: number): CaseResult {
  return runTarget({
    suite: 'fuzz-pki',
    name: 'DER',
    seed,
    runs,
    input: (prng) => hostile(prng),
    check: (bytes) => {
      const node = readDer(bytes, { depth: 12, elements: 500 });
      if (!node.ok) return node.error.code;
      demand(equalBytes(rewrite(node.value), bytes), 'written otherwise than read');
      return 'read';
    },
  });
}

function fuzzCertificates(runs: number, seed: number): CaseResult {
  return runTarget({
    suite: 'fuzz-pki',
    name: 'certificates',
    seed,
    runs,
    input: (prng) => hostile(prng),
    check: (bytes) => {
      const started = performance.now();
      const parsed = parseCertificate(bytes);
      if (!parsed.ok) {
        demandLine(parsed.error.evidence);
        return parsed.error.code;
      }
      const certificate = parsed.value;
      demand(equalBytes(certificate.der, bytes), 'other octets than were read');
      demand(toHex(certificate.der).includes(toHex(certificate.tbs)), 'signed octets that are not in the certificate');
      for (const line of [describe(certificate), namesText(certificate), certificate.subject.text]) demandLine(line);
      for (const { evidence } of conformanceRemarks(certificate, true)) demandLine(evidence);
      publicKeyFault(certificate.publicKey);
      demand(performance.now() - started < 2000, 'it took more than two seconds');
      return 'parsed';
    },
  });
}

/** One set, some of which is changed; the anchors are not. */
function fuzzPaths(runs: number, seed: number): CaseResult {
  const anchors = [root.der].flatMap(certificateOf);
  return runTarget({
    suite: 'fuzz-pki',
    name: 'paths',
    seed,
    runs,
    // One input is several certificates, each after its length.
    input: (prng) => {
      const others = Array.from({ length: prng.below(20) }, () =>
        prng.oneIn(2) ? prng.pick(good) : change(prng, prng.pick(good)),
      );
      const first = prng.oneIn(2) ? gateway.der : change(prng, gateway.der);
      return concat(...[first, ...others].flatMap((der) => [Uint8Array.of(der.length >> 8, der.length), der]));
    },
    check: (bytes) => {
      const presented = split(bytes);
      const started = performance.now();
      let checks = 0;
      const result = validatePath({ presented, anchors, at, purpose: 'ike', strict: bytes.length % 2 === 0 }, (...question) => {
        checks++;
        return verifySignature(...question);
      });
      demand(performance.now() - started < 4000, 'it took more than four seconds');
      demand(checks <= 64, `${checks} signatures were checked`);
      if (!result.ok) {
        demandLine(result.error.evidence);
        return result.error.code;
      }
      demandTrue(result.value.path, presented[0], anchors);
      return `a path of ${result.value.path.length}`;
    },
  });
}

/** What any valid path is, checked another way. */
function demandTrue(path: readonly Certificate[], first: Uint8Array, anchors: readonly Certificate[]): void {
  demand(equalBytes(path[0].der, first), 'the path is about another certificate');
  const last = path[path.length - 1];
  demand(
    anchors.some(({ der }) => equalBytes(der, last.der)),
    'the path does not end at an anchor',
  );
  for (const [i, { signatureAlgorithm, tbs, signature }] of path.slice(0, -1).entries()) {
    demand(signatureAlgorithm !== undefined, 'a signature of no known kind');
    const fault = signatureAlgorithm && verifySignature(signatureAlgorithm, path[i + 1].publicKey, tbs, signature);
    demand(fault === undefined, `a signature that does not hold: ${fault}`);
  }
}

/** Evidence is one printable line, whatever was in the certificate. */
function demandLine(text: string): void {
  demand(!/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(text), `not one printable line: ${JSON.stringify(text)}`);
}

function hostile(prng: Prng): Uint8Array {
  const seed = prng.pick(seeds);
  return prng.oneIn(3) ? mutateBytes(prng, seed, seeds) : change(prng, seed);
}

/** One to three elements anywhere are changed, and the lengths around them set right: such a thing is looked into deeply. */
function change(prng: Prng, der: Uint8Array): Uint8Array {
  let out = der;
  for (let rounds = 1 + prng.below(3); rounds > 0; rounds--) {
    const node = readDer(out);
    if (!node.ok) return out;
    const all = count(node.value);
    out = changeAt(prng, node.value, { left: prng.below(all) });
  }
  return out.length > 0xffff ? der : out;
}

/** The element to change is the one at which `left` is 0. An OCTET STRING of an extension is looked into as well. */
function changeAt(prng: Prng, node: DerNode, where: { left: number }): Uint8Array {
  if (where.left-- === 0) return changed(prng, node);
  const children = childrenOf(node);
  if (children.length > 0) return derElement(node.tag, ...children.map((child) => changeAt(prng, child, where)));
  const inner = innerOf(node);
  return inner === undefined ? node.der : derElement(node.tag, changeAt(prng, inner, where));
}

function changed(prng: Prng, node: DerNode): Uint8Array {
  switch (prng.below(7)) {
    case 0:
      return new Uint8Array(0);
    case 1:
      return concat(node.der, node.der);
    case 2:
      return derElement(
        prng.pick([node.tag ^ 0x20, prng.below(31), 0x80 | prng.below(9), 0xa0 | prng.below(9), 0x30]),
        node.content,
      );
    case 3:
      return derElement(
        node.tag,
        ...childrenOf(node)
          .reverse()
          .map(({ der }) => der),
      );
    case 4: {
      const other = readDer(prng.pick(seeds));
      return other.ok ? anyOf(prng, other.value).der : node.der;
    }
    case 5:
      return derElement(node.tag, prng.octets(prng.below(40)));
    default:
      return derElement(node.tag, mutateBytes(prng, node.content, seeds));
  }
}

function anyOf(prng: Prng, node: DerNode): DerNode {
  const children = childrenOf(node);
  return children.length === 0 || prng.oneIn(4) ? node : anyOf(prng, prng.pick(children));
}

function innerOf(node: DerNode): DerNode | undefined {
  if (node.tag !== 0x04) return undefined;
  const inner = readDer(node.content);
  return inner.ok ? inner.value : undefined;
}

function count(node: DerNode): number {
  const inner = innerOf(node);
  return 1 + (inner === undefined ? 0 : count(inner)) + childrenOf(node).reduce((sum, child) => sum + count(child), 0);
}

function rewrite(node: DerNode): Uint8Array {
  return derElement(node.tag, ...((node.tag & 0x20) !== 0 ? childrenOf(node).map(rewrite) : [node.content]));
}

function split(bytes: Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0; at + 2 <= bytes.length; ) {
    const length = (bytes[at] << 8) | bytes[at + 1];
    out.push(bytes.slice(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return out;
}

function certificateOf(der: Uint8Array): Certificate[] {
  const parsed = parseCertificate(der);
  return parsed.ok ? [parsed.value] : [];
}
