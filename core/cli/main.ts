#!/usr/bin/env node
/** The command line. Every command is a thin client of the helper; nothing of IKE or of cryptography is loaded here. */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { programVersion } from '../rpc/version.ts';
import { reasons } from '../tunnel/reasons.ts';
import type { CertOptions } from './cert.ts';
import type { SaveOptions } from './edit.ts';
import { fieldsHelp } from './fields.ts';
import { createOutput, surviveClosedPipes } from './output.ts';
import type { ImportOptions } from './profiles.ts';
import type { Session } from './session.ts';
import type { AnswerCommandOptions, UpOptions } from './tunnel.ts';

/** The longer ones are for root, who sees the profiles of all. */
const PROFILE = 'name or id; UID/ID or shared/ID where several users have the same';

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
      // Its code for a group of commands of which none was named.
      const told = problem.code === 'commander.help' ? 'expected a command' : problem.message;
      return createOutput(asJson).error({ code: 'usage', detail: told.replace(/^error: /, '').replaceAll('\n', ' ') });
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
    .argument('<files...>', '.sallyport or .sswan file; or PKCS #12, PEM and DER files of one profile; - for standard input')
    .description('add a profile, or replace the one with the same uuid (of a file without one: the same name)')
    .option('--gateway <name>', 'host name or address, for files that name none')
    .option('--name <name>', 'name of the profile')
    .option('--password-file <file>', 'password of PKCS #12 or of a key, from a file or - for standard input')
    .option('--shared', 'for every user of this computer (administrator)')
    .option('--dry-run', 'only say what would happen')
    .action(async (files: string[], options: ImportOptions) => {
      finish(await (await import('./profiles.ts')).importCommand(session(), files, options));
    });
  program
    .command('list')
    .description('list your profiles')
    .action(async () => {
      finish(await (await import('./profiles.ts')).listCommand(session()));
    });
  program
    .command('show')
    .argument('<profile>', PROFILE, reference)
    .description('show a profile, without its secrets')
    .action(async (profile: string) => {
      finish(await (await import('./profiles.ts')).showCommand(session(), profile));
    });
  program
    .command('remove')
    .argument('<profile>', PROFILE, reference)
    .description('remove a profile')
    .action(async (profile: string) => {
      finish(await (await import('./profiles.ts')).removeCommand(session(), profile));
    });
  addEditing(program, session, finish);
  addCertificates(program, session, finish);
  const up = program
    .command('up')
    .argument('<profile>', PROFILE, reference)
    .description('connect; Ctrl-C cancels')
    .option('--timeout <seconds>', 'give up after so long', seconds)
    .option('--ask-secret', 'ask for key or password although the profile has one')
    .action(async (profile: string, options: UpOptions) => {
      finish(await (await import('./tunnel.ts')).upCommand(session(), profile, options));
    });
  const answer = program
    .command('answer')
    .description('answer what is asked now: a login that is made anew while connected, or `up` somewhere else')
    .action(async (options: AnswerCommandOptions) => {
      finish(await (await import('./tunnel.ts')).answerCommand(session(), options));
    });
  for (const command of [up, answer]) addAnswers(command);
  program
    .command('down')
    .description('disconnect')
    .action(async () => {
      finish(await (await import('./tunnel.ts')).downCommand(session()));
    });
  program
    .command('rekey')
    .addArgument(new Argument('[what]', 'whose keys').choices(['child', 'ike'] as const).default('child' as const))
    .description('make new keys now: of the traffic, or of the IKE SA')
    .action(async (what: 'child' | 'ike') => {
      finish(await (await import('./tunnel.ts')).rekeyCommand(session(), what));
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
  const secrets = (command: Command): Command =>
    command
      .option(...secretFile)
      .option('--password-file <file>', 'the password of EAP, likewise')
      .option('--certificate <file>', 'your certificate and what is above it, PEM or DER; may be repeated', several)
      .option('--key-file <file>', 'its private key in PEM, likewise')
      .option('--key-password-file <file>', 'password of that key, likewise')
      .option('--ppk-file <file>', 'the post-quantum preshared key, likewise; the field ppk names it')
      .option('--ca <file>', 'authority that the gateway’s certificate must come from, PEM or DER; may be repeated', several);
  secrets(program.command('create'))
    .argument('[fields...]', 'FIELD=VALUE')
    .description('make a profile field by field')
    .option('--shared', 'for every user of this computer (administrator)')
    .option(...dryRun)
    .addHelpText('after', () => `\n${fieldsHelp()}`)
    .action(async (fields: string[], options: SaveOptions) => {
      finish(await (await import('./edit.ts')).saveCommand(session(), undefined, fields, options));
    });
  secrets(program.command('edit'))
    .argument('<profile>', PROFILE, reference)
    .argument('[fields...]', 'FIELD=VALUE')
    .description('change a profile; what is not given stays, the secrets too')
    .option('--forget-secret', 'take the pre-shared key away: it is asked for when connecting')
    .option('--forget-password', 'take the password away, likewise')
    .option('--forget-key', 'take the private key away')
    .option(...dryRun)
    .addHelpText('after', () => `\n${fieldsHelp()}`)
    .action(async (profile: string, fields: string[], options: SaveOptions) => {
      finish(await (await import('./edit.ts')).saveCommand(session(), profile, fields, options));
    });
  program
    .command('duplicate')
    .argument('<profile>', PROFILE, reference)
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

/** The certificate lens. */
function addCertificates(program: Command, session: () => Session, finish: (exitCode: number) => void): void {
  const cert = program.command('cert').description('look at certificates of files, profiles and gateways');
  const common = (command: Command): Command =>
    command
      .argument('<file-or-profile>', 'PEM, DER or PKCS #12 file, - for standard input, or a profile')
      .option('--profile <profile>', 'hold it against the authorities of this profile')
      .option('--ca <file>', 'hold it against this authority; may be repeated', several)
      .option('--system-roots', 'hold it against the authorities of this computer')
      .option('--expect <identity>', 'whom it should be about')
      .option('--at <day>', 'instead of today, such as 2027-01-31')
      .option('--password-file <file>', 'password of PKCS #12 or of a key, from a file or - for standard input');
  common(cert.command('show'))
    .description('what is in it, and whether it holds')
    .action(async (what: string, options: CertOptions) => {
      finish(await (await import('./cert.ts')).certCommand(session(), what, options, false));
    });
  common(cert.command('check'))
    .description('the same, asks the network for revocation, and ends with an error when it does not hold')
    .option('--offline', 'ask nobody whether it was revoked')
    .action(async (what: string, options: CertOptions) => {
      finish(await (await import('./cert.ts')).certCommand(session(), what, options, true));
    });
  cert
    .command('fetch')
    .argument('[gateway]', 'host name or address')
    .description(
      'the certificate a gateway shows, and whether it holds: to the authorities of a profile, else to those of this computer',
    )
    .option('--profile <profile>', 'hold it against this profile, and fetch from its gateway where none is named')
    .option('--expect <identity>', 'whom it should be about; default is the gateway')
    .action(async (gateway: string | undefined, options: CertOptions) => {
      finish(await (await import('./cert.ts')).certFetchCommand(session(), gateway, options));
    });
}

function several(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** As the contract has it; an empty one is a variable that was never set. */
function reference(text: string): string {
  if (text === '' || text.length > 256) throw new InvalidArgumentError('Expected a name or an id.');
  return text;
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

/** Where the answers to the helper's questions come from, when not from the terminal. */
function addAnswers(command: Command): void {
  command
    .option('--user <name>', 'user name, if it is asked for')
    .option('--secret-file <file>', 'take the pre-shared key from a file, or - for standard input')
    .option('--password-file <file>', 'take the password from a file, or - for standard input')
    .option('--code-file <file>', 'take the code from a file, or - for standard input')
    .option('--pin-file <file>', 'take the PIN from a file, or - for standard input')
    .option('--remember', 'keep what was asked for, once it was right');
}

function exitCodes(): string {
  const rows = Object.entries(reasons).map(
    ([code, { what, exitCode }]) => `${String(exitCode).padStart(5)}  ${code.padEnd(32)}${what}`,
  );
  return ['Exit codes:', '    0  It worked.', ...rows].join('\n');
}
