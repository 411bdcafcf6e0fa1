/**
 * `npm run vectors [-- --json]`: Wycheproof through core/crypto, x509-limbo through core/pki. Folder: VECTORS_DIR or ../shared/vectors beside the checkout.
 * With --json one `{"suite","case","ok","detail"}` line per case (`ok` is null for a skipped one) and a last `{"summary"}` line.
 * Exit 1 when a case failed; 0 also when the vectors are not there, which is said.
 */
import { findLimbo, type LimboResult, runLimbo, runLimboLenient } from './limbo.ts';
import { suites, unusedFiles } from './suites.ts';
import { type CaseResult, findVectors } from './wycheproof.ts';

const json = process.argv.includes('--json');
const total = { passed: 0, failed: 0, skipped: 0 };
const folder = findVectors();

if (folder === undefined) {
  say('vectors skipped: no wycheproof folder in VECTORS_DIR or ../shared/vectors');
} else {
  for (const suite of suites) runSuite(suite.name, suite.run(folder));
  const unused = unusedFiles(folder);
  if (unused.length > 0) say(`not used yet: ${unused.join(' ')}`);
}
const limbo = findLimbo();
if (limbo === undefined) say('vectors skipped: no x509-limbo.json in VECTORS_DIR or ../shared/vectors');
else {
  runSuite('x509-limbo', runLimbo(limbo));
  runSuite('x509-limbo lenient', runLimboLenient(limbo));
}
if (json) process.stdout.write(`${JSON.stringify({ summary: total })}\n`);
else say(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;

function runSuite(name: string, results: Iterable<CaseResult | LimboResult>): void {
  const count = { passed: 0, failed: 0, skipped: 0 };
  const reasons = new Map<string, number>();
  for (const result of results) {
    count[result.outcome]++;
    total[result.outcome]++;
    if (json) printJson(result);
    else if (result.outcome === 'failed') say(`  FAILED ${name} ${result.case}: ${result.detail}`);
    if (result.outcome === 'skipped') reasons.set(result.detail, (reasons.get(result.detail) ?? 0) + 1);
  }
  if (json) return;
  say(`${name}: ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
  for (const [reason, times] of reasons) say(`  ${times} × ${reason}`);
}

function printJson(result: CaseResult | LimboResult): void {
  const ok = result.outcome === 'skipped' ? null : result.outcome === 'passed';
  process.stdout.write(`${JSON.stringify({ suite: result.suite, case: result.case, ok, detail: result.detail })}\n`);
}

/** Remarks go to stderr under --json, so that stdout stays one object per line. */
function say(text: string): void {
  (json ? process.stderr : process.stdout).write(`${text}\n`);
}
