/**
 * Telling the host's resolver about the office's servers, by the means the host already uses: systemd-resolved (which can send only
 * some names there), resolvconf, or /etc/resolv.conf itself (all names go to the office's servers then).
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync, realpathSync } from 'node:fs';
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import type { HostError, HostPlan } from '../ports.ts';
import { hostErrorOf } from './errors.ts';
import type { UndoEntry } from './journal.ts';
import { fileBefore, replaceFile, restoreFile } from './replaceFile.ts';

export interface ResolverTools {
  readonly resolvConf: string;
  /** Paths of the programs, undefined where they are not installed. */
  readonly resolvectl: string | undefined;
  readonly resolvconf: string | undefined;
}

export type DnsPlan = NonNullable<HostPlan['dns']>;
type DnsUndo = Extract<UndoEntry, { readonly kind: 'resolved' | 'resolvconf' | 'file' }>;

/** One way to do it: what undoes it (for the journal), and the doing. `done` when nothing is to do. */
export interface DnsMeans {
  readonly undo: DnsUndo;
  readonly what: string;
  readonly done: boolean;
  run(): Result<undefined, HostError>;
}

export function findResolverTools(): ResolverTools {
  return { resolvConf: '/etc/resolv.conf', resolvectl: program('resolvectl'), resolvconf: program('resolvconf') };
}

/** The means of this host, best first; if one fails the next is tried (a resolvectl without its daemon). Throws what node:fs throws. */
export function dnsMeans(dns: DnsPlan, interfaceName: string, tools: ResolverTools): readonly [DnsMeans, ...DnsMeans[]] {
  const file = byFile(dns, tools.resolvConf);
  const manager = managerOf(tools.resolvConf);
  if (manager === 'resolved' && tools.resolvectl !== undefined) return [byResolved(dns, interfaceName, tools.resolvectl), file];
  if (manager === 'resolvconf' && tools.resolvconf !== undefined)
    return [byResolvconf(dns, interfaceName, tools.resolvconf), file];
  return [file];
}

export function isDns(entry: UndoEntry): entry is DnsUndo {
  return entry.kind === 'resolved' || entry.kind === 'resolvconf' || entry.kind === 'file';
}

/** What was changed back, in words; undefined when there was nothing to do. Throws nothing a broken host can cause. */
export function undoDns(entry: DnsUndo, tools: ResolverTools): Result<string | undefined, HostError> {
  switch (entry.kind) {
    case 'resolved':
      // resolved forgets a link's servers when the link goes, which may have happened: a failure means nothing.
      if (tools.resolvectl !== undefined) run(tools.resolvectl, ['revert', entry.interface]);
      return ok(`DNS of ${entry.interface} taken back from systemd-resolved`);
    case 'resolvconf': {
      if (tools.resolvconf === undefined) return ok(undefined);
      const done = run(tools.resolvconf, ['-d', recordName(entry.interface)]);
      return done.ok ? ok(`DNS of ${entry.interface} taken back from resolvconf`) : done;
    }
    case 'file':
      try {
        const restored = restoreFile(entry.path, entry.before, entry.after);
        if (restored === 'already') return ok(undefined);
        return ok(
          restored === 'restored' ? `${entry.path} restored` : `${entry.path} left as it is: somebody else has changed it`,
        );
      } catch (error) {
        return err(hostErrorOf(error, `restore ${entry.path}`));
      }
  }
}

/** The file as written, with who wrote it. */
export function resolvConfText(dns: DnsPlan): string {
  return [
    '# Written by Sallyport while its tunnel is up. The former file comes back when the tunnel ends.',
    '# To undo this by hand: sallyport repair',
    ...(dns.searchDomains.length === 0 ? [] : [`search ${dns.searchDomains.join(' ')}`]),
    ...dns.servers.map((server) => `nameserver ${server}`),
    '',
  ].join('\n');
}

function byResolved(dns: DnsPlan, interfaceName: string, resolvectl: string): DnsMeans {
  // `~name` routes queries below the name to this link without searching it; `~.` is every name.
  const routed = dns.matchDomains.length === 0 ? ['~.'] : dns.matchDomains.map((domain) => `~${domain}`);
  return {
    undo: { kind: 'resolved', interface: interfaceName },
    what: `DNS ${dns.servers.join(', ')} for ${interfaceName} in systemd-resolved`,
    done: false,
    run: () => {
      for (const args of [
        ['dns', interfaceName, ...dns.servers],
        ['domain', interfaceName, ...dns.searchDomains, ...routed],
        ['default-route', interfaceName, dns.matchDomains.length === 0 ? 'yes' : 'no'],
      ]) {
        const done = run(resolvectl, args);
        if (!done.ok) return done;
      }
      return ok(undefined);
    },
  };
}

function byResolvconf(dns: DnsPlan, interfaceName: string, resolvconf: string): DnsMeans {
  return {
    undo: { kind: 'resolvconf', interface: interfaceName },
    what: `DNS ${dns.servers.join(', ')} for ${interfaceName} in resolvconf`,
    done: false,
    // Metric 0 and exclusive, in the words of openresolv; Debian's resolvconf takes the record's name for its order.
    run: () => run(resolvconf, ['-a', recordName(interfaceName), '-m', '0', '-x'], resolvConfText(dns)),
  };
}

function byFile(dns: DnsPlan, path: string): DnsMeans {
  const after = resolvConfText(dns);
  const before = fileBefore(path);
  return {
    undo: { kind: 'file', path, before, after },
    what: `DNS ${dns.servers.join(', ')} in ${path}`,
    done: before.type === 'file' && before.content === after,
    run: () => {
      try {
        replaceFile(path, after);
        return ok(undefined);
      } catch (error) {
        return err(hostErrorOf(error, `write ${path}`));
      }
    },
  };
}

/** Debian's /etc/resolvconf/interface-order puts `tun*` first among unknown ones. */
function recordName(interfaceName: string): string {
  return `tun.${interfaceName}`;
}

function managerOf(path: string): 'resolved' | 'resolvconf' | 'nobody' {
  let text = '';
  let target = path;
  try {
    target = realpathSync(path);
    text = readFileSync(path, 'utf8');
  } catch {
    return 'nobody';
  }
  if (target.startsWith('/run/systemd/resolve/') || /^nameserver\s+127\.0\.0\.5[34]\s*$/m.test(text)) return 'resolved';
  if (/\/resolvconf\//.test(target) || /^#.*\bresolvconf\b/m.test(text)) return 'resolvconf';
  return 'nobody';
}

/** Absolute paths only: nothing is looked up in a PATH somebody else may have set. */
function program(name: string): string | undefined {
  return ['/usr/bin', '/usr/sbin', '/bin', '/sbin'].map((folder) => `${folder}/${name}`).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function run(path: string, args: readonly string[], input = ''): Result<undefined, HostError> {
  const ended = spawnSync(path, args, {
    input,
    encoding: 'utf8',
    timeout: 5000,
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
  });
  if (ended.status === 0) return ok(undefined);
  const reason = ended.error?.message ?? ended.stderr.trim().split('\n')[0] ?? '';
  return err({ code: 'failed', detail: `${path} ${args.join(' ')}: ${reason === '' ? `exit ${ended.status}` : reason}` });
}
