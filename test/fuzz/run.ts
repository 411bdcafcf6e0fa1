/**
 * `node test/fuzz/run.ts [--json] [--seed=N]`: all fuzz targets. With --json one `{"suite","case","ok","detail"}` line per case and
 * a last `{"summary"}` line. Exit 1 when a case failed; its detail then has the input. Another seed searches elsewhere.
 */
import { FULL_EAP, fuzzEap } from './eap.ts';
import { fuzzFragment } from './fragment.ts';
import { fuzzIke } from './ike.ts';
import { FULL_INPUTS, fuzzInputs } from './inputs.ts';
import { FULL_PKI, fuzzPki } from './pki.ts';
import { FULL_REVOCATION, fuzzRevocation } from './revocation.ts';
import { fuzzStream } from './stream.ts';
import { FULL, fuzzWire } from './wire.ts';

const json = process.argv.includes('--json');
const seedText = process.argv.find((argument) => argument.startsWith('--seed='))?.slice('--seed='.length);
const seed = seedText === undefined ? 7296 : Number(seedText);
if (!Number.isInteger(seed)) {
  process.stderr.write(`fuzz: "${seedText}" is not a seed: a whole number\n`);
  process.exit(2);
}

const results = [
  ...fuzzWire(FULL, seed),
  ...fuzzIke(seed),
  ...fuzzFragment(seed),
  ...fuzzStream(undefined, seed),
  ...fuzzInputs(FULL_INPUTS, seed),
  ...fuzzPki(FULL_PKI, seed),
  ...fuzzRevocation(FULL_REVOCATION, seed),
  ...fuzzEap(FULL_EAP, seed),
];
for (const result of results) {
  const words = Object.entries(result.detail).map(([name, value]) => `${name} ${value}`);
  process.stdout.write(
    json
      ? `${JSON.stringify(result)}\n`
      : `${result.ok ? 'ok    ' : 'FAILED'} ${result.suite}: ${result.case}: ${words.join(', ')}\n`,
  );
}
const failed = results.filter(({ ok }) => !ok).length;
const summary = { suite: 'fuzz', passed: results.length - failed, failed, skipped: 0, seed };
process.stdout.write(json ? `${JSON.stringify({ summary })}\n` : `${summary.passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);
