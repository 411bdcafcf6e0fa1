/**
 * Everything the demo needs, built and taken down by code: the lab, the head office in it, the helper on the laptop as it would run on a
 * real one, and somebody who uses the laptop.
 */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type JsonProcess, startJson } from '../../gateway/jsonProcess.ts';
import { type Office, type OfficeOptions, startOffice, VISITOR } from '../../gateway/office.ts';
import { Daemon } from '../daemon.ts';
import { createLab, type Lab } from '../lab.ts';
import type { ExecResult } from '../namespace.ts';

export interface Stage {
  readonly lab: Lab;
  readonly office: Office;
  readonly visitor: JsonProcess;
  readonly folder: string;
  /** The profile's name. */
  readonly profile: string;
  /** `sallyport …` on the laptop, to its end. */
  cli(...args: string[]): Promise<ExecResult>;
  /** `sallyport …` on the laptop, running. */
  spawnCli(...args: string[]): ChildProcess;
  /** The last lines of the helper. */
  helperSaid(): string;
  /** Where the helper listens. */
  readonly socket: string;
  /** As an administrator would: SIGTERM to the monitor and wait for its end; and start it again, until it answers. */
  stopHelper(): Promise<void>;
  startHelper(): Promise<void>;
  close(): Promise<void>;
}

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const cliProgram = join(repository, 'core/cli/main.ts');
const monitorProgram = join(repository, 'core/helper/monitor.ts');
/** With the pid of the demo in the name. */
const FOLDERS = '/run/sallyport-demo-';

/** Debian packages of the programs the demo runs. */
const PROGRAMS: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  nft: 'nftables',
  tcpdump: 'tcpdump',
  ping: 'iputils-ping',
  sysctl: 'procps',
};

/** The packages that are missing, for one clear line instead of a failure in the middle. */
export function missingPackages(): readonly string[] {
  const missing = Object.entries(PROGRAMS).filter(
    ([program]) => spawnSync(program, ['--version'], { stdio: 'ignore' }).error !== undefined,
  );
  return [...new Set(missing.map(([, debian]) => debian))];
}

/** Resolves when the helper answers the command line. Whatever fails, nothing is left behind. */
export async function buildStage(options: OfficeOptions, say: (step: string) => void): Promise<Stage> {
  const undo: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
  };
  try {
    say('building laptop, NAT router, head office and intranet');
    const lab = await createLab();
    undo.push(() => lab.close());
    // Under /run because a socket is only trusted in folders that nobody but root can write to.
    sweepFolders();
    const folder = mkdtempSync(`${FOLDERS}${process.pid}-`);
    chmodSync(folder, 0o755);
    undo.push(async () => rmSync(folder, { recursive: true, force: true }));
    say('opening the head office');
    const office = await startOffice(lab, options);
    undo.push(() => office.stop());
    const visitorProgram = fileURLToPath(new URL('./visitor.ts', import.meta.url));
    const visitor = await startJson(lab.laptop, [process.execPath, visitorProgram], 'the visitor');
    undo.push(() => visitor.stop());
    const socket = join(folder, 'run/sallyport.sock');
    const argv = (args: readonly string[]): string[] => [process.execPath, cliProgram, '--socket', socket, ...args];
    const cli = (...args: string[]): Promise<ExecResult> => lab.laptop.exec(argv(args));
    say('starting the helper on the laptop');
    let helper = startHelper(lab, folder);
    undo.push(() => helper.end());
    await helperAnswers(cli, helper);
    const profile = await importProfile(cli, lab, folder);
    writeWrappers(lab, folder, argv([]));
    return {
      lab,
      office,
      visitor,
      folder,
      profile,
      cli,
      spawnCli: (...args) => lab.laptop.spawn(argv(args), { stdio: ['ignore', 'pipe', 'ignore'], detached: true }),
      helperSaid: () => helper.said.slice(-8_000),
      socket,
      stopHelper: () => helper.end(),
      startHelper: async () => {
        await helper.end();
        helper = startHelper(lab, folder);
        await helperAnswers(cli, helper);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Folders of demos that were killed. */
function sweepFolders(): void {
  for (const name of readdirSync('/run')) {
    const pid = /^sallyport-demo-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join('/run', name), { recursive: true, force: true });
  }
}

function startHelper(lab: Lab, folder: string): Daemon {
  const dirs = ['--run-dir', join(folder, 'run'), '--state-dir', join(folder, 'state')];
  return new Daemon(lab.laptop, [process.execPath, monitorProgram, ...dirs], { label: 'the helper', detached: true });
}

async function helperAnswers(cli: Stage['cli'], helper: Daemon): Promise<void> {
  let answered = '';
  const answers = async (): Promise<boolean> => {
    const { code, stdout, stderr } = await cli('--json', 'status');
    answered = `${stdout}${stderr}`.trim();
    return code === 0;
  };
  await helper.ready(answers, () => `${answered}\n${helper.said}`);
}

/** Imports the profile a user of this office would have been given; returns its name. */
async function importProfile(cli: Stage['cli'], lab: Lab, folder: string): Promise<string> {
  const { names } = lab.addresses;
  const profile = {
    sallyport: 1,
    name: 'Head office',
    uuid: randomUUID(),
    gateway: names.gateway,
    localId: VISITOR.identity,
    remoteId: names.gateway,
    auth: { method: 'psk', secret: VISITOR.psk },
  };
  const file = join(folder, 'head-office.json');
  writeFileSync(file, JSON.stringify(profile, null, 2), { mode: 0o600 });
  const imported = await cli('--json', 'import', file);
  if (imported.code !== 0) throw new Error(`import: ${imported.stdout}${imported.stderr}`.trim());
  return profile.name;
}

/** Two small scripts, so that what the visitor of the demo types is short. */
function writeWrappers(lab: Lab, folder: string, cli: readonly string[]): void {
  const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
  const enter = ['ip', 'netns', 'exec', lab.laptop.name];
  const script = (words: readonly string[]): string => `#!/bin/sh\nexec ${words.map(quote).join(' ')} "$@"\n`;
  writeFileSync(join(folder, 'sallyport'), script([...enter, ...cli]), { mode: 0o755 });
  writeFileSync(join(folder, 'laptop'), script(enter), { mode: 0o755 });
}
