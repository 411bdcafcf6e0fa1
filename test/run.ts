/**
 * `npm test`: every node:test file, then the suites that need the whole product. Each closes with its own summary;
 * the last line counts the stages. `npm test -- unit interop` runs only the stages named.
 */
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const isRoot = process.getuid?.() === 0;

interface Stage {
  readonly name: string;
  readonly what: string;
  readonly argv: readonly string[];
  readonly needsRoot: boolean;
}

const testFiles = (...patterns: string[]) => globSync(patterns, { cwd: root }).sort();

/** What takes longest, or waits most: started first. */
const slowest = ['test/vectors/', 'test/cli/', 'test/gateway/', 'test/exchange/', 'test/authority/', 'test/fuzz/', 'test/pki/'];

function slowestFirst(files: readonly string[]): string[] {
  const slow = slowest.flatMap((folder) => files.filter((file) => file.startsWith(folder)));
  return [...new Set([...slow, ...files])];
}

const stages: readonly Stage[] = [
  {
    name: 'unit',
    what: 'node:test: units, dialogues, vectors, fuzzing, import rules',
    argv: [
      'test/inOrder.ts',
      // On two cores: a third of them waits for processes and timers.
      '3',
      ...slowestFirst(testFiles('test/{unit,exchange,vectors,fuzz,arch,cli,gateway,authority,pki,sim}/**/*.test.ts')),
    ],
    needsRoot: false,
  },
  {
    name: 'sim',
    what: '20,000 random scenarios of a client and a head office, on a virtual clock',
    argv: ['test/sim/run.ts', '--json'],
    needsRoot: false,
  },
  {
    name: 'host',
    what: 'node:test in network namespaces: host plan, monitor, lab, dataplane',
    argv: ['--test', '--test-concurrency=1', ...testFiles('test/{host,lab}/**/*.test.ts')],
    needsRoot: true,
  },
  {
    name: 'electron',
    what: 'node:test: main process and preload on the Electron test host, in real Chromium',
    argv: ['--test', '--test-concurrency=1', ...testFiles('test/electron/**/*.test.ts')],
    needsRoot: false,
  },
  {
    name: 'ui',
    what: 'the window against the real helper, the quick part',
    argv: ['test/ui/run.ts', '--smoke', '--json'],
    needsRoot: true,
  },
  { name: 'demo', what: 'the demo, once', argv: ['test/lab/demo.ts', '--once', '--json'], needsRoot: true },
  { name: 'interop', what: 'real strongSwan', argv: ['test/interop/run.ts', '--json', '--workers', '2'], needsRoot: true },
];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !stages.some((stage) => stage.name === name));
if (unknown.length > 0) {
  process.stderr.write(`npm test: no stage "${unknown.join('", "')}"; there are: ${stages.map(({ name }) => name).join(', ')}\n`);
  process.exit(2);
}

/** As the service unit has it: a thousand processes compile the same files once, which is a fifth of what the units cost. */
const compiled = mkdtempSync(join(tmpdir(), 'sallyport-test-compiled-'));
const env = { ...process.env, NODE_COMPILE_CACHE: compiled };
process.on('exit', () => rmSync(compiled, { recursive: true, force: true }));

const failed: string[] = [];
const skipped: string[] = [];
let passed = 0;
for (const stage of stages) {
  if (wanted.length > 0 && !wanted.includes(stage.name)) continue;
  process.stdout.write(`\n== ${stage.name}: ${stage.what}\n`);
  if (stage.needsRoot && !isRoot) {
    process.stdout.write('skipped: needs root for network namespaces; run `sudo npm test`\n');
    skipped.push(stage.name);
    continue;
  }
  const started = Date.now();
  const { status } = spawnSync(process.execPath, stage.argv, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] });
  const seconds = ((Date.now() - started) / 1000).toFixed(0);
  process.stdout.write(`== ${stage.name}: ${status === 0 ? 'passed' : `FAILED (exit ${status})`} in ${seconds} s\n`);
  if (status === 0) passed++;
  else failed.push(stage.name);
}
for (const name of failed) process.stdout.write(`failed stage: ${name}\n`);
process.stdout.write(`${passed} passed, ${failed.length} failed, ${skipped.length} skipped\n`);
process.exit(failed.length === 0 ? 0 : 1);
