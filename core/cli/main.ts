#!/usr/bin/env node
/** The command line. Every command is a thin client of the helper; nothing of IKE or of cryptography is loaded here. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { programVersion } from '../rpc/version.ts';
import { reasons } from '../tunnel/reasons.ts';
import type { SaveOptions } from './edit.ts';
import { fieldsHelp } from './fields.ts';
import { createOutput, surviveClosedPipes } from './output.ts';
import type { Session } from './session.ts';
import type { UpOptions } from './tunnel.ts';

surviveClosedPipes();
// Commander's own parse comes later; how its errors are printed must be known before.
const asJson = process.argv.includes('--json');

process.exitCode = await run(process.argv.slice(2));

async function run(args: readonly string[]): Promise<number> {
  let exitCode = 0;
  const program = build((code) => {
    exitCode = code;
  });
  if (args.length === 0) {
    program.outputHelp();
    return reasons.usage.exitCode;
  }
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (problem) {
    if (problem instanceof CommanderError) {
      if (problem.exitCode === 0) return 0;
      return createOutput(asJson).error({ code: 'usage', detail: problem.message.replace(/^error: /, '') });
    }
    const detail = problem instanceof Error ? problem.message : String(problem);
    return createOutput(asJson).error({ code: 'internal', detail });
  }
}

function build(finish: (exitCode: number) => void): Command {
  const program = new Command('sallyport')
    .description('IKEv2 VPN client: imports profiles, connects to the office, shows what goes on.')
    .option('--json', 'print one JSON object per result; errors as {"error":{…}}')
    .addOption(new Option('--socket <path>', 'socket of the helper').env('SALLYPORT_SOCKET'))
    .version(programVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', '\nExit codes: 0 when it worked; `sallyport help exit-codes` lists the others.')
    .showSuggestionAfterError()
    .exitOverride()
    // Errors are printed by us, in one line; what commander writes to stderr would be a second one.
    .configureOutput({ writeErr: () => {} });

  const session = (): Session => {
    const { json, socket } = program.opts<{ json?: boolean; socket?: string }>();
    return { output: createOutput(json ?? false), socket };
  };

  program
    .command('import')
    .argument('<file>', 'profile file, or - for standard input')
    .description('add a profile, or replace the one with the same uuid')
    .option('--shared', 'for every user of this computer (administrator)')
    .option('--dry-run', 'only say what would happen')
    .action(async (file: string, options: { shared?: boolean; dryRun?: boolean }) => {
      finish(await (await import('./profiles.ts')).importCommand(session(), file, options));
    });
  program
    .command('list')
    .description('list your profiles')
    .action(async () => {
      finish(await (await import('./profiles.ts')).listCommand(session()));
    });
  program
    .command('show')
    .argument('<profile>', 'name or id')
    .description('show a profile, without its secrets')
    .action(async (profile: string) => {
      finish(await (await import('./profiles.ts')).showCommand(session(), profile));
    });
  program
    .command('remove')
    .argument('<profile>', 'name or id')
    .description('remove a profile')
    .action(async (profile: string) => {
      finish(await (await import('./profiles.ts')).removeCommand(session(), profile));
    });
  addEditing(program, session, finish);
  program
    .command('up')
    .argument('<profile>', 'name or id')
    .description('connect; Ctrl-C cancels')
    .option('--timeout <seconds>', 'give up after so long', seconds)
    .option('--ask-secret', 'ask for the key although the profile has one')
    .option('--secret-file <file>', 'take the key from a file, or - for standard input')
    .option('--remember', 'keep the key that was asked for, once it was right')
    .action(async (profile: string, options: UpOptions) => {
      finish(await (await import('./tunnel.ts')).upCommand(session(), profile, options));
    });
  program
    .command('down')
    .description('disconnect')
    .action(async () => {
      finish(await (await import('./tunnel.ts')).downCommand(session()));
    });
  program
    .command('status')
    .description('state, gateway, addresses, algorithms, SPIs, traffic')
    .option('-w, --watch', 'again whenever it changes, until Ctrl-C')
    .action(async (options: { watch?: boolean }) => {
      finish(await (await import('./watch.ts')).statusCommand(session(), options));
    });
  program
    .command('history')
    .description('the connections that were, newest first')
    .option('-n, --lines <number>', 'how many', upTo(500), 20)
    .action(async (options: { lines: number }) => {
      finish(await (await import('./history.ts')).historyCommand(session(), options));
    });
  program
    .command('log')
    .description('the newest lines of the helper’s log')
    .option('-f, --follow', 'and the new ones, until Ctrl-C')
    .option('-n, --lines <number>', 'how many', upTo(100_000), 200)
    .addOption(
      new Option('--level <level>', 'least level').choices(['debug', 'info', 'warn', 'error'] as const).default('info' as const),
    )
    .action(async (options: { follow?: boolean; lines: number; level: 'debug' | 'info' | 'warn' | 'error' }) => {
      finish(await (await import('./watch.ts')).logCommand(session(), options));
    });
  program
    .command('repair')
    .description('put the network of this computer back after a crash (administrator)')
    .option('--run-dir <dir>', 'where the helper that is gone had its socket')
    .option('--state-dir <dir>', 'where it kept its state')
    .action(async (options: { runDir?: string; stateDir?: string }) => {
      finish(await (await import('./repair.ts')).repairCommand(session(), options));
    });
  program
    .command('exit-codes')
    .description(exitCodes())
    .summary('list the exit codes')
    .action(() => {
      const { output } = session();
      output.line(exitCodes());
      output.object(Object.entries(reasons).map(([code, reason]) => ({ code, ...reason })));
    });
  return program;
}

/** The commands that make and change profiles field by field. */
function addEditing(program: Command, session: () => Session, finish: (exitCode: number) => void): void {
  const secretFile = ['--secret-file <file>', 'the pre-shared key, from a file or - for standard input'] as const;
  const dryRun = ['--dry-run', 'only say whether it would be valid'] as const;
  program
    .command('create')
    .argument('[fields...]', 'FIELD=VALUE')
    .description('make a profile field by field')
    .option(...secretFile)
    .option('--shared', 'for every user of this computer (administrator)')
    .option(...dryRun)
    .addHelpText('after', () => `\n${fieldsHelp()}`)
    .action(async (fields: string[], options: SaveOptions) => {
      finish(await (await import('./edit.ts')).saveCommand(session(), undefined, fields, options));
    });
  program
    .command('edit')
    .argument('<profile>', 'name or id')
    .argument('[fields...]', 'FIELD=VALUE')
    .description('change a profile; what is not given stays, the key too')
    .option(...secretFile)
    .option('--forget-secret', 'take the key away: it is asked for when connecting')
    .option(...dryRun)
    .addHelpText('after', () => `\n${fieldsHelp()}`)
    .action(async (profile: string, fields: string[], options: SaveOptions) => {
      finish(await (await import('./edit.ts')).saveCommand(session(), profile, fields, options));
    });
  program
    .command('duplicate')
    .argument('<profile>', 'name or id')
    .description('make a copy of a profile')
    .action(async (profile: string) => {
      finish(await (await import('./edit.ts')).duplicateCommand(session(), profile));
    });
  program
    .command('restore')
    .argument('<undo>', 'what `sallyport remove` printed')
    .description('take the removal of a profile back')
    .action(async (undo: string) => {
      finish(await (await import('./edit.ts')).restoreCommand(session(), undo));
    });
}

function seconds(text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value <= 0 || value > 86_400)
    throw new InvalidArgumentError('Expected seconds, more than 0.');
  return value;
}

function upTo(most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < 1 || value > most) throw new InvalidArgumentError(`Expected 1 to ${most}.`);
    return value;
  };
}

function exitCodes(): string {
  const rows = Object.entries(reasons).map(
    ([code, { what, exitCode }]) => `${String(exitCode).padStart(5)}  ${code.padEnd(32)}${what}`,
  );
  return ['Exit codes:', '    0  It worked.', ...rows].join('\n');
}
