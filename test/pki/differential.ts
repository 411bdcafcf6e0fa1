/**
 * `validatePath` against `openssl verify` on random certificates:
 *
 *   node test/pki/differential.ts --chains 2000 --seed 1 [--json]
 *
 * Every verdict that differs is explained by one rule of `explanations.ts`, or the run fails.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseAddress } from '../../core/bytes/address.ts';
import { fromUtf8 } from '../../core/bytes/bytes.ts';
import { parseCertificate } from '../../core/pki/certificate.ts';
import type { Certificate, PathRequest, PkiFault } from '../../core/pki/contract.ts';
import { validatePath } from '../../core/pki/path.ts';
import { pem } from '../authority/certificate.ts';
import { type GeneratedChain, generateChain } from './chains.ts';
import { explanations } from './explanations.ts';

/** What openssl says: `code` is X509_V_ERR of the first error it prints, 0 for OK. */
export interface OpensslVerdict {
  readonly accepted: boolean;
  readonly code: number;
  readonly text: string;
}

export interface Comparison {
  readonly chain: GeneratedChain;
  readonly ours: { readonly fault: PkiFault | undefined; readonly path: readonly Certificate[] };
  readonly openssl: OpensslVerdict;
  /** openssl about the very path that we found, where it refused what it was given. */
  readonly opensslOnOurPath: OpensslVerdict | undefined;
}

export interface DifferentialReport {
  readonly chains: number;
  readonly accepted: number;
  readonly refused: number;
  /** Times that each rule explained a difference. */
  readonly explained: Readonly<Record<string, number>>;
  readonly unexplained: readonly string[];
}

export function runDifferential(seed: number, chains: number, each?: (line: object) => void): DifferentialReport {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-differential-'));
  const explained: Record<string, number> = {};
  const unexplained: string[] = [];
  let accepted = 0;
  let refused = 0;
  try {
    for (let number = 0; number < chains; number++) {
      const comparison = compare(generateChain(seed, number), folder);
      const { ours, openssl } = comparison;
      const mine = ours.fault === undefined;
      const rule = mine === openssl.accepted ? undefined : explanations.find(({ applies }) => applies(comparison));
      if (mine === openssl.accepted) mine ? accepted++ : refused++;
      else if (rule !== undefined) explained[rule.name] = (explained[rule.name] ?? 0) + 1;
      else unexplained.push(line(seed, comparison));
      each?.({
        suite: 'openssl verify',
        case: `${seed}/${number}`,
        ok: mine === openssl.accepted || rule !== undefined,
        detail: line(seed, comparison),
        ...(rule !== undefined && { explained: rule.name }),
      });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return { chains, accepted, refused, explained, unexplained };
}

function compare(chain: GeneratedChain, folder: string): Comparison {
  const result = ask(chain);
  const ours = result.ok ? { fault: undefined, path: result.value.path } : { fault: result.error, path: [] };
  const [endEntity, ...others] = chain.presented.map((certificate) => certificate.der);
  const anchors = chain.anchors.map((certificate) => certificate.der);
  const openssl = verify(folder, chain, endEntity, others, anchors);
  const path = ours.path.map((certificate) => certificate.der);
  const opensslOnOurPath =
    ours.fault === undefined && !openssl.accepted
      ? verify(folder, chain, endEntity, path.slice(1, -1), path.slice(-1))
      : undefined;
  return { chain, ours, openssl, opensslOnOurPath };
}

function ask(chain: GeneratedChain): ReturnType<typeof validatePath> {
  const request: PathRequest = {
    presented: chain.presented.map(({ der }) => der),
    anchors: chain.anchors.flatMap(({ der }) => {
      const parsed = parseCertificate(der);
      return parsed.ok ? [parsed.value] : [];
    }),
    at: chain.at.getTime(),
    purpose: chain.purpose,
  };
  const { name } = chain;
  if (name === undefined) return validatePath(request);
  const data = name.type === 'ip' ? (parseAddress(name.text) ?? new Uint8Array(0)) : fromUtf8(name.text);
  // openssl takes the common name where there is no DNS name.
  return validatePath({ ...request, name: { identity: { type: name.type, data }, commonName: name.type === 'fqdn' } });
}

const nameOptions = { fqdn: '-verify_hostname', ip: '-verify_ip', email: '-verify_email' } as const;
const purposes = { any: 'any', 'tls-server': 'sslserver', 'tls-client': 'sslclient' } as const;

function verify(
  folder: string,
  { at, purpose, name }: GeneratedChain,
  endEntity: Uint8Array,
  others: readonly Uint8Array[],
  anchors: readonly Uint8Array[],
): OpensslVerdict {
  const file = (label: string, list: readonly Uint8Array[]): string => {
    const path = join(folder, label);
    writeFileSync(path, list.map((der) => pem('CERTIFICATE', der)).join(''));
    return path;
  };
  const { status, stdout, stderr } = spawnSync(
    'openssl',
    [
      'verify',
      // What we always do: anchors of any kind, policies (any is welcome), 112 bits of security.
      ...['-partial_chain', '-policy_check', '-policy', '2.5.29.32.0', '-auth_level', '2', '-no-CApath', '-no-CAstore'],
      ...['-attime', String(at.getTime() / 1000), '-purpose', purposes[purpose]],
      ...(name === undefined ? [] : [nameOptions[name.type], name.text]),
      ...['-CAfile', file('anchors.pem', anchors)],
      ...(others.length === 0 ? [] : ['-untrusted', file('others.pem', others)]),
      file('entity.pem', [endEntity]),
    ],
    { encoding: 'utf8' },
  );
  const text = `${stdout}${stderr}`;
  const code = /^error (\d+) at/m.exec(text)?.[1];
  return { accepted: status === 0, code: status === 0 ? 0 : Number(code ?? -1), text: text.replace(/\s+/g, ' ').slice(0, 300) };
}

function line(seed: number, { chain, ours, openssl }: Comparison): string {
  const mine = ours.fault === undefined ? 'accepted' : `${ours.fault.code} (${ours.fault.evidence})`;
  const theirs = openssl.accepted ? 'accepted' : `${openssl.code} (${openssl.text})`;
  const what = [...chain.features, chain.purpose, ...(chain.name === undefined ? [] : [chain.name.text])].join('; ');
  return `chain ${seed}/${chain.number} [${what}] ours: ${mine}; openssl: ${theirs}`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      chains: { type: 'string', default: '2000' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
    },
  });
  const out = (record: object): void => {
    process.stdout.write(`${JSON.stringify(record)}\n`);
  };
  const report = runDifferential(Number(values.seed), Number(values.chains), values.json ? out : undefined);
  const { unexplained, ...summary } = report;
  if (values.json) out({ summary: { ...summary, unexplained: unexplained.length } });
  else {
    const text = [
      ...unexplained.map((entry) => `UNEXPLAINED ${entry}`),
      `${summary.chains} chains of seed ${values.seed}: both accept ${summary.accepted}, both refuse ${summary.refused}, ${unexplained.length} unexplained`,
      ...Object.entries(summary.explained).map(([name, times]) => `  ${times} × ${name}`),
    ];
    process.stdout.write(`${text.join('\n')}\n`);
  }
  process.exitCode = unexplained.length > 0 ? 1 : 0;
}
