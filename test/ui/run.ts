/**
 * `npm run test:ui -- [--json] [--smoke] [--perf] [--list] [--screenshots] [FILTER]`: the window in a real Chromium, against the real helper in the demo lab.
 * A case whose name holds FILTER runs; all of them without, but those that measure for minutes only with --perf. --smoke: the quick part for `npm test`.
 * --screenshots makes the README's pictures instead.
 * One JSON line per case and a summary; progress on standard error. Pictures go to dist/pictures. Exit 0 when all passed.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PICTURES } from './app.ts';
import { accessibility } from './cases/accessibility.ts';
import { certificates } from './cases/certificates.ts';
import { connect } from './cases/connect.ts';
import { credentialLooks } from './cases/credentialLooks.ts';
import { credentialPrompts } from './cases/credentialPrompts.ts';
import { failures } from './cases/failures.ts';
import { firstRun } from './cases/firstRun.ts';
import { helperLife } from './cases/helperLife.ts';
import { importCredentials } from './cases/importCredentials.ts';
import { keys } from './cases/keys.ts';
import { layout } from './cases/layout.ts';
import { log } from './cases/log.ts';
import { performanceCases } from './cases/performance.ts';
import { pictures } from './cases/pictures.ts';
import { profiles } from './cases/profiles.ts';
import { prompts } from './cases/prompts.ts';
import { security } from './cases/security.ts';
import { session } from './cases/session.ts';
import { settings } from './cases/settings.ts';
import { statistics } from './cases/statistics.ts';
import { runElectronCases } from './electronHost.ts';
import { type Case, message } from './kit.ts';
import { takeScreenshots } from './screenshots.ts';
import { World } from './world.ts';

const ROOT = resolve(import.meta.dirname, '..', '..');
/** A case that hangs must not hang the run. */
const CASE_WITHIN_MS = 120_000;
const PERF_WITHIN_MS = 900_000;

const argv = process.argv.slice(2);
const json = argv.includes('--json');
const filter = argv.find((argument) => !argument.startsWith('--')) ?? '';

/** The last of them asks about the whole run. */
const all: readonly Case[] = [
  ...firstRun,
  ...connect,
  ...prompts,
  ...credentialPrompts,
  ...importCredentials,
  ...certificates,
  ...failures,
  ...session,
  ...keys,
  ...helperLife,
  ...profiles,
  ...statistics,
  ...log,
  ...settings,
  ...layout,
  ...accessibility,
  ...credentialLooks,
  ...pictures,
  ...performanceCases,
  ...security,
];
const suits = (one: Case): boolean => {
  if (argv.includes('--smoke')) return one.smoke === true;
  return one.perf !== true || argv.includes('--perf');
};
const named = all.filter(({ name }) => name.includes(filter));
/** `npm test` has a stage of its own for these. */
const withElectron = !argv.includes('--smoke') && (filter === '' || filter.startsWith('electron'));
const wanted = named.filter(suits);
if (argv.includes('--list') || (wanted.length === 0 && !withElectron)) {
  process.stderr.write(
    `${all.map(({ name, smoke, perf }) => `${name}${smoke ? ' (smoke)' : ''}${perf ? ' (perf)' : ''}`).join('\n')}\n`,
  );
  process.exit(wanted.length === 0 ? 2 : 0);
}
if (process.getuid?.() !== 0) {
  process.stderr.write('ui: needs root for network namespaces; run `sudo npm run test:ui`\n');
  process.exit(2);
}

const say = (step: string): void => void process.stderr.write(`ui: ${step}\n`);
// A build of its own: whoever builds into dist/renderer meanwhile does not pull it from under the browser.
const dist = argv.includes('--no-build') ? join(ROOT, 'dist', 'renderer') : build();
// A whole run makes all of them anew.
rmSync(filter === '' && !argv.includes('--smoke') ? PICTURES : join(PICTURES, 'failed'), { recursive: true, force: true });
// A wait that a failed case left behind must not end the run.
process.on('unhandledRejection', (reason) => say(`left behind: ${message(reason).split('\n')[0]}`));
const started = Date.now();
const world = await World.create(dist, say);
if (argv.includes('--screenshots')) {
  await takeScreenshots(world).finally(() => world.close());
  process.exit(0);
}
let failed = 0;
let electronCases = 0;
try {
  for (const [index, each] of wanted.entries()) {
    const at = performance.now();
    const { ok, detail } = await runCase(each);
    if (!ok) failed++;
    report(each.name, ok, detail, index, Math.round(performance.now() - at));
  }
} finally {
  await world.close();
}
if (withElectron) {
  say('main process and preload on the Electron test host');
  await runElectronCases(({ name, ok, detail, ms }) => {
    electronCases++;
    if (!ok) failed++;
    report(`electron/${name}`, ok, detail, wanted.length + electronCases - 1, ms);
  });
}
const summary = { passed: wanted.length + electronCases - failed, failed, skipped: named.length - wanted.length };
const seconds = Math.round((Date.now() - started) / 1000);
process.stdout.write(
  json ? `${JSON.stringify({ summary })}\n` : `${summary.passed} passed, ${failed} failed, ${summary.skipped} skipped\n`,
);
say(`${summary.passed} passed, ${failed} failed, ${summary.skipped} skipped in ${seconds} s`);
process.exit(failed === 0 ? 0 : 1);

function build(): string {
  say('building the renderer');
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-ui-'));
  // A bridge of another user reads it too.
  chmodSync(folder, 0o755);
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const vite = join(ROOT, 'node_modules', 'vite', 'bin', 'vite.js');
  const argv = [vite, 'build', 'renderer', '--logLevel', 'warn', '--outDir', folder, '--emptyOutDir'];
  const built = spawnSync(process.execPath, argv, { cwd: ROOT, stdio: ['ignore', 2, 2] });
  if (built.status === 0) return folder;
  process.stderr.write('ui: `vite build renderer` failed\n');
  process.exit(1);
}

async function runCase(each: Case): Promise<{ readonly ok: boolean; readonly detail: string }> {
  const problems: string[] = [];
  const errorsBefore = world.watch.errors.length;
  let detail = '';
  try {
    await world.reset();
    detail = await within(each.perf ? PERF_WITHIN_MS : CASE_WITHIN_MS, each.run(world));
  } catch (error) {
    problems.push(message(error));
    problems.push(await evidence(each.name));
  }
  const errors = world.watch.errors.slice(errorsBefore);
  if (errors.length > 0) problems.push(`in the page: ${errors.slice(0, 3).join(' | ')}`);
  return problems.length === 0 ? { ok: true, detail } : { ok: false, detail: problems.join(' || ') };
}

/** What the windows of a failed case showed. */
async function evidence(name: string): Promise<string> {
  const shown: string[] = [];
  for (const [index, app] of world.apps.entries()) {
    try {
      const picture = await app.picture(`failed/${name.replaceAll('/', '-')}${index === 0 ? '' : `-${index}`}`);
      shown.push(`${picture}: ${(await app.text()).replaceAll(/\s+/g, ' ').slice(0, 400)}`);
    } catch (error) {
      shown.push(`no picture: ${message(error)}`);
    }
  }
  return shown.join(' | ');
}

function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`did not end within ${ms / 1000} s`)), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function report(name: string, ok: boolean, detail: string, index: number, ms: number): void {
  const [suite = '', ...rest] = name.split('/');
  const line = { suite: `ui-${suite}`, case: rest.join('/'), ok, detail };
  if (json) process.stdout.write(`${JSON.stringify(line)}\n`);
  process.stderr.write(
    // Electron's own cases come after these, and nobody knows before how many they are.
    `${String(index + 1).padStart(3)}/${Math.max(index + 1, wanted.length)} ${ok ? 'ok    ' : 'FAILED'} ${name} (${ms} ms): ${detail}\n`,
  );
}
