/**
 * `npm run interop -- [--json] [FILTER]`: our helper and command line against real strongSwan in the lab. A case whose name holds FILTER runs;
 * all of them without. One JSON line per case and a summary; progress on standard error. Exit 0 when all passed.
 */

import { auth } from './cases/auth.ts';
import { bulk, gigabyte } from './cases/bulk.ts';
import { captures } from './cases/captures.ts';
import { eap } from './cases/eap.ts';
import { endurance } from './cases/endurance.ts';
import { exchanges } from './cases/exchanges.ts';
import { fragmentation } from './cases/fragmentation.ts';
import { lifetimes } from './cases/lifetimes.ts';
import { lives } from './cases/lives.ts';
import { matrix } from './cases/matrix.ts';
import { mobike } from './cases/mobike.ts';
import { paths } from './cases/paths.ts';
import { ppk } from './cases/ppk.ts';
import { refusals } from './cases/refusals.ts';
import { rekeys } from './cases/rekey.ts';
import { revocation } from './cases/revocation.ts';
import { weather } from './cases/weather.ts';
import { type Case, World } from './world.ts';

const argv = process.argv.slice(2);
const json = argv.includes('--json');
const filter = argv.find((argument) => !argument.startsWith('--')) ?? '';

const all: readonly Case[] = [
  ...paths,
  ...matrix,
  ...refusals,
  ...lives,
  ...rekeys,
  ...lifetimes,
  ...endurance,
  ...exchanges,
  ...mobike,
  ...ppk,
  ...fragmentation,
  ...weather,
  ...auth,
  ...eap,
  ...revocation,
  ...bulk,
  ...captures,
];
const named = gigabyte.filter(({ name }) => filter.startsWith('bulk/') && name.includes(filter));
const wanted = [...all.filter(({ name }) => name.includes(filter)), ...named];
if (wanted.length === 0) {
  process.stderr.write(`interop: no case has "${filter}" in its name; there are:\n${all.map(({ name }) => name).join('\n')}\n`);
  process.exit(2);
}

if (process.getuid?.() !== 0) {
  process.stderr.write('interop: needs root for network namespaces; run `sudo npm run interop`\n');
  process.exit(2);
}
const started = Date.now();
const world = await World.create();
let failed = 0;
try {
  for (const [index, each] of wanted.entries()) {
    const began = Date.now();
    const result = await runCase(world, each);
    if (!result.ok) failed++;
    report(each.name, result, index, Math.round((Date.now() - began) / 100) / 10);
  }
} finally {
  await world.close();
}
const seconds = Math.round((Date.now() - started) / 1000);
const summary = { suite: 'interop', passed: wanted.length - failed, failed, skipped: 0, seconds };
process.stdout.write(json ? `${JSON.stringify({ summary })}\n` : `${summary.passed} passed, ${failed} failed in ${seconds} s\n`);
process.exit(failed === 0 ? 0 : 1);

interface Outcome {
  readonly ok: boolean;
  readonly detail: string;
}

async function runCase(world: World, each: Case): Promise<Outcome> {
  const logFrom = world.gateway.logSize();
  let outcome: Outcome;
  try {
    await world.prepare(each.nat ?? true);
    outcome = { ok: true, detail: await each.run(world) };
  } catch (error) {
    outcome = {
      ok: false,
      detail: `${message(error)} | gateway: ${tail(world.gateway.log(logFrom))} | ours: ${await ourLog(world)}`,
    };
  }
  try {
    const left = await world.tidy();
    if (left.length > 0) outcome = { ok: false, detail: `${outcome.detail} | left behind: ${left.join('; ')}` };
  } catch (error) {
    outcome = { ok: false, detail: `${outcome.detail} | tidying: ${message(error)}` };
  }
  return outcome;
}

function report(name: string, { ok, detail }: Outcome, index: number, seconds: number): void {
  const [suite = '', ...rest] = name.split('/');
  if (json) process.stdout.write(`${JSON.stringify({ suite: `interop-${suite}`, case: rest.join('/'), ok, seconds, detail })}\n`);
  process.stderr.write(
    `${String(index + 1).padStart(3)}/${wanted.length} ${ok ? 'ok    ' : 'FAILED'} ${name} (${seconds} s): ${detail}\n`,
  );
}

async function ourLog(world: World): Promise<string> {
  const lines = await world.client.log(15).catch(() => []);
  const text = lines.map((line) => `${line.level} ${line.area} ${line.text} ${JSON.stringify(line.fields ?? {})}`).join('\n');
  return `${text}\n${world.client.output
    .split('\n')
    .filter((l) => /fault|Error| {4}at/.test(l))
    .slice(0, 12)
    .join('\n')}`;
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function tail(text: string): string {
  return text.trimEnd().split('\n').slice(-12).join('\n');
}
