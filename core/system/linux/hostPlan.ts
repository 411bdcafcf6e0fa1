/**
 * Making the host equal to a `HostPlan`, and back. What has to change is worked out first, everything that undoes it goes to the
 * journal in one durable write, then it is done; applying the same plan again changes nothing.
 *
 * Routing: the table ROUTE_TABLE holds the plan's routes through the TUN, and the rule RULE_PRIORITY sends everything there but our
 * own marked sockets, so that the path to the gateway stays what it was without a route for the gateway. For a full tunnel the rule
 * before it keeps more specific routes of the main table (the LAN, other connected networks).
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import { EACCES, EADDRNOTAVAIL, EEXIST, ENODEV, ENOENT, EPERM, ESRCH } from '../ffi/constants.ts';
import type { HostError, HostPlan } from '../ports.ts';
import { ROUTE_TABLE, RULE_PRIORITY, SOCKET_MARK } from '../ports.ts';
import { type DnsMeans, dnsMeans, type ResolverTools, undoDns } from './dns.ts';
import { hostErrorOf } from './errors.ts';
import type { Journal, UndoEntry } from './journal.ts';
import { RT_TABLE_MAIN } from './netlinkCodec.ts';
import type { InterfaceAddress, Link, NetlinkError, Route, Rtnetlink, Rule } from './rtnetlink.ts';

export interface HostOptions {
  readonly netlink: Rtnetlink;
  readonly journal: Journal;
  readonly resolver: ResolverTools;
  /** Called before every change with its words; a test throws here to be a crash. */
  readonly checkpoint?: (what: string) => void;
}

type Done = Result<undefined, HostError>;

interface Step {
  readonly what: string;
  /** What takes it back; absent when something else does (an address goes with its link). */
  readonly undo?: UndoEntry;
  run(): Done;
}

export class LinuxHost {
  readonly #netlink: Rtnetlink;
  readonly #journal: Journal;
  readonly #resolver: ResolverTools;
  readonly #checkpoint: (what: string) => void;
  /** The DNS part as it was last put in place by a program we cannot ask cheaply. */
  #dns = '';

  constructor(options: HostOptions) {
    this.#netlink = options.netlink;
    this.#journal = options.journal;
    this.#resolver = options.resolver;
    this.#checkpoint = options.checkpoint ?? (() => undefined);
  }

  /** True while something may have to be undone. */
  get applied(): boolean {
    return this.#journal.entries.length > 0;
  }

  /** What was changed, in words. On an error everything is taken back. The plan is taken as validated. */
  apply(plan: HostPlan): Result<readonly string[], HostError> {
    const name = plan.interface.name;
    const changes: string[] = [];
    if (this.#journal.entries.some((entry) => entry.kind === 'link' && entry.name !== name)) {
      const reverted = this.revert();
      if (!reverted.ok) return reverted;
      changes.push(...reverted.value);
    }
    const steps = this.#plan(plan);
    const done = steps.ok ? this.#execute(steps.value, changes) : steps;
    if (done.ok) return ok(changes);
    this.revert();
    return done;
  }

  /** Undoes what the journal says, last things first. The TUN device itself stays: it ends with its descriptor. */
  revert(): Result<readonly string[], HostError> {
    const changes: string[] = [];
    let failure: HostError | undefined;
    for (const entry of [...this.#journal.entries].reverse()) {
      this.#checkpoint(`undo ${entry.kind}`);
      const undone = this.#undo(entry);
      if (!undone.ok) failure ??= undone.error;
      else if (undone.value !== undefined) changes.push(undone.value);
    }
    this.#dns = '';
    // Undoing twice does no harm: on a failure all entries stay for the next attempt.
    if (failure !== undefined) return err(failure);
    this.#journal.clear();
    return ok(changes);
  }

  /** At the start, when what the journal says is the work of a monitor that is gone: also removes its TUN devices. */
  recover(): Result<readonly string[], HostError> {
    const names = new Set(this.#journal.entries.flatMap((entry) => (entry.kind === 'link' ? [entry.name] : [])));
    const removed: string[] = [];
    for (const name of names) {
      const link = this.#netlink.link(name);
      if (!link.ok) return err(fromNetlink(link.error));
      if (link.value?.kind !== 'tun') continue;
      const deleted = tolerate(this.#netlink.deleteLink(link.value.index), ENODEV);
      if (!deleted.ok) return deleted;
      removed.push(`${name} removed`);
    }
    const reverted = this.revert();
    return reverted.ok ? ok([...removed, ...reverted.value]) : reverted;
  }

  #execute(steps: readonly Step[], changes: string[]): Done {
    try {
      this.#journal.append(steps.flatMap(({ undo }) => (undo === undefined ? [] : [undo])));
    } catch (error) {
      return err(hostErrorOf(error, 'write the journal'));
    }
    for (const { what, run } of steps) {
      this.#checkpoint(what);
      const done = run();
      if (!done.ok) return done;
      changes.push(what);
    }
    return ok(undefined);
  }

  #plan(plan: HostPlan): Result<readonly Step[], HostError> {
    const link = this.#netlink.link(plan.interface.name);
    if (!link.ok) return err(fromNetlink(link.error));
    if (link.value === undefined || link.value.kind !== 'tun') {
      return err({ code: 'invalid', detail: `${plan.interface.name} is no TUN device of ours` });
    }
    const steps: Step[] = [];
    for (const part of [
      this.#linkSteps(link.value, plan.interface),
      this.#addressSteps(link.value, plan.interface.addresses),
      this.#routeSteps(link.value, plan),
      this.#filterSteps(plan),
      this.#ruleSteps(plan),
      this.#dnsSteps(plan),
    ]) {
      if (!part.ok) return part;
      steps.push(...part.value);
    }
    return ok(steps);
  }

  #linkSteps(link: Link, { mtu, addresses }: HostPlan['interface']): Result<readonly Step[], HostError> {
    if (link.up && link.mtu === mtu) return ok([]);
    return ok([
      {
        what: `${link.name} up, mtu ${mtu}`,
        undo: { kind: 'link', name: link.name },
        run: () => {
          // Else the kernel would make a link-local address and send router solicitations into the tunnel.
          writeQuietly(`/proc/sys/net/ipv6/conf/${link.name}/addr_gen_mode`, '1');
          // An address must not take others of its network with it when it goes.
          writeQuietly(`/proc/sys/net/ipv4/conf/${link.name}/promote_secondaries`, '1');
          // Where IPv6 is off by default, an office that gives an IPv6 address still needs it, on its own device only.
          if (addresses.some(({ address }) => familyOf(address) === 6)) {
            writeQuietly(`/proc/sys/net/ipv6/conf/${link.name}/disable_ipv6`, '0');
          }
          return translated(this.#netlink.setLink(link.index, { up: true, mtu }));
        },
      },
    ]);
  }

  #addressSteps(link: Link, wanted: readonly InterfaceAddress[]): Result<readonly Step[], HostError> {
    const current = this.#netlink.addresses(link.index);
    if (!current.ok) return err(fromNetlink(current.error));
    const key = ({ address, prefix }: InterfaceAddress): string => `${address}/${prefix}`;
    const have = new Set(current.value.map(key));
    const want = new Set(wanted.map(key));
    const steps: Step[] = [];
    // New ones first: the kernel takes the routes of a device away with its last address.
    for (const address of wanted) {
      if (have.has(key(address))) continue;
      steps.push({
        what: `address ${key(address)}`,
        undo: { kind: 'link', name: link.name },
        run: () => translated(this.#netlink.addAddress(link.index, address)),
      });
    }
    for (const address of current.value) {
      if (want.has(key(address)) || address.address.startsWith('fe80:')) continue;
      steps.push({
        what: `address ${key(address)} removed`,
        run: () => tolerate(this.#netlink.deleteAddress(link.index, address), EADDRNOTAVAIL),
      });
    }
    return ok(steps);
  }

  #routeSteps(link: Link, plan: HostPlan): Result<readonly Step[], HostError> {
    const current = this.#netlink.routes(ROUTE_TABLE);
    if (!current.ok) return err(fromNetlink(current.error));
    const key = (route: Route): string => `${route.destination} ${route.interface}`;
    const wanted = plan.routes.map((destination): Route => {
      return { family: familyOf(destination), destination, table: ROUTE_TABLE, interface: link.index };
    });
    const have = new Set(current.value.map(key));
    const want = new Set(wanted.map(key));
    const stale = current.value.filter((route) => !want.has(key(route)));
    const missing = wanted.filter((route) => !have.has(key(route)));
    const steps: Step[] = [];
    for (const route of missing) {
      steps.push({
        what: `route ${route.destination} via ${link.name}`,
        undo: { kind: 'link', name: link.name },
        run: () => translated(this.#netlink.addRoute(route)),
      });
    }
    for (const route of stale) {
      steps.push({ what: `route ${route.destination} removed`, run: () => tolerate(this.#netlink.deleteRoute(route), ESRCH) });
    }
    return ok(steps);
  }

  /**
   * Strict reverse-path filtering (rp_filter 1) would drop the gateway's packets: the reverse route of an unmarked packet is the
   * tunnel. `all` at 2 (loose) is the effective value of every interface, those that come later included (ip-sysctl: the maximum
   * of `all` and the interface's own counts).
   */
  #filterSteps(plan: HostPlan): Result<readonly Step[], HostError> {
    const name = 'net/ipv4/conf/all/rp_filter';
    if (!plan.routes.some((route) => familyOf(route) === 4)) return ok([]);
    const before = readSysctl(name);
    if (before === undefined || before === '2' || !anyStrictInterface()) return ok([]);
    return ok([
      {
        what: `rp_filter of all interfaces ${before} to 2 (loose)`,
        undo: { kind: 'sysctl', name, before, after: '2' },
        run: () => writeSysctl(name, '2'),
      },
    ]);
  }

  #ruleSteps(plan: HostPlan): Result<readonly Step[], HostError> {
    const current = this.#netlink.rules();
    if (!current.ok) return err(fromNetlink(current.error));
    const wanted = wantedRules(plan.routes);
    const have = new Set(current.value.map(ruleKey));
    const want = new Set(wanted.map(ruleKey));
    const steps: Step[] = [];
    for (const rule of wanted) {
      if (have.has(ruleKey(rule))) continue;
      steps.push({
        what: `rule ${rule.priority} for IPv${rule.family}`,
        undo: { kind: 'rule', rule },
        run: () => tolerate(this.#netlink.addRule(rule), EEXIST),
      });
    }
    for (const rule of allOurRules()) {
      if (!have.has(ruleKey(rule)) || want.has(ruleKey(rule))) continue;
      steps.push({
        what: `rule ${rule.priority} for IPv${rule.family} removed`,
        run: () => tolerate(this.#netlink.deleteRule(rule), ENOENT),
      });
    }
    return ok(steps);
  }

  #dnsSteps(plan: HostPlan): Result<readonly Step[], HostError> {
    const { dns } = plan;
    if (dns === undefined || dns.servers.length === 0) {
      return ok(this.#dns === '' ? [] : [{ what: 'DNS taken back', run: () => this.#withdrawDns() }]);
    }
    const key = JSON.stringify([plan.interface.name, dns]);
    let means: readonly DnsMeans[];
    try {
      means = dnsMeans(dns, plan.interface.name, this.#resolver);
    } catch (error) {
      return err(hostErrorOf(error, `read ${this.#resolver.resolvConf}`));
    }
    const [first, ...others] = means;
    if (first.done || (first.undo.kind !== 'file' && this.#dns === key)) return ok([]);
    const run = (): Done => {
      let done = first.run();
      for (const next of others) {
        if (done.ok) break;
        // Rare enough for a journal write of its own: the first means looked right and was not.
        done = this.#execute([next], []);
      }
      if (done.ok) this.#dns = key;
      return done;
    };
    return ok([{ what: first.what, undo: first.undo, run }]);
  }

  /** The plan has no DNS any more. The entries stay in the journal: undoing them again finds nothing to do. */
  #withdrawDns(): Done {
    for (const entry of [...this.#journal.entries].reverse()) {
      if (entry.kind !== 'resolved' && entry.kind !== 'resolvconf' && entry.kind !== 'file') continue;
      const undone = undoDns(entry, this.#resolver);
      if (!undone.ok) return undone;
    }
    this.#dns = '';
    return ok(undefined);
  }

  /** Words for what was undone, undefined when there was nothing to undo. */
  #undo(entry: UndoEntry): Result<string | undefined, HostError> {
    switch (entry.kind) {
      case 'rule':
        return worded(
          this.#netlink.deleteRule(entry.rule),
          ENOENT,
          `rule ${entry.rule.priority} for IPv${entry.rule.family} removed`,
        );
      case 'sysctl': {
        const now = readSysctl(entry.name);
        if (now === entry.before) return ok(undefined);
        if (now !== entry.after) return ok(`${entry.name} left at ${now}: somebody else has changed it`);
        const done = writeSysctl(entry.name, entry.before);
        return done.ok ? ok(`${entry.name} back to ${entry.before}`) : done;
      }
      case 'link':
        return this.#clearLink(entry.name);
      case 'resolved':
      case 'resolvconf':
      case 'file':
        return undoDns(entry, this.#resolver);
    }
  }

  /** Takes addresses (and with them and the state the routes) off the device, which belongs to whoever holds its descriptor. */
  #clearLink(name: string): Result<string | undefined, HostError> {
    const link = this.#netlink.link(name);
    if (!link.ok) return err(fromNetlink(link.error));
    if (link.value?.kind !== 'tun') return ok(undefined);
    const { index } = link.value;
    const addresses = this.#netlink.addresses(index);
    if (!addresses.ok) return tolerate(addresses, ENODEV);
    if (!link.value.up && addresses.value.length === 0) return ok(undefined);
    for (const address of addresses.value) this.#netlink.deleteAddress(index, address);
    // Down also removes the routes of both families.
    return worded(this.#netlink.setLink(index, { up: false }), ENODEV, `${name} down`);
  }
}

/** The rules for these destinations, in the order in which they are added. */
export function wantedRules(routes: readonly string[]): readonly Rule[] {
  const wanted: Rule[] = [];
  for (const family of [4, 6] as const) {
    const own = routes.filter((route) => familyOf(route) === family);
    if (own.length === 0) continue;
    // First the exception, then the rule it is an exception of.
    if (own.some((route) => route.endsWith('/0'))) wanted.push(exceptionRule(family));
    wanted.push(tunnelRule(family));
  }
  return wanted;
}

function allOurRules(): readonly Rule[] {
  return ([4, 6] as const).flatMap((family) => [exceptionRule(family), tunnelRule(family)]);
}

function exceptionRule(family: 4 | 6): Rule {
  return { family, priority: RULE_PRIORITY - 1, table: RT_TABLE_MAIN, suppressPrefixLength: 0 };
}

function tunnelRule(family: 4 | 6): Rule {
  return { family, priority: RULE_PRIORITY, table: ROUTE_TABLE, invert: true, mark: SOCKET_MARK };
}

function ruleKey(rule: Rule): string {
  return [rule.family, rule.priority, rule.table, rule.invert ?? false, rule.mark ?? 0, rule.suppressPrefixLength ?? -1].join(
    ' ',
  );
}

function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

function anyStrictInterface(): boolean {
  try {
    return readdirSync('/proc/sys/net/ipv4/conf').some((name) => readSysctl(`net/ipv4/conf/${name}/rp_filter`) === '1');
  } catch {
    return false;
  }
}

function readSysctl(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function writeSysctl(name: string, value: string): Done {
  try {
    writeFileSync(`/proc/sys/${name}`, value);
    return ok(undefined);
  } catch (error) {
    return err(hostErrorOf(error, `write ${name}`));
  }
}

function writeQuietly(path: string, value: string): void {
  try {
    writeFileSync(path, value);
  } catch {
    // A kernel without IPv6 has no such file, and needs none.
  }
}

function fromNetlink(error: NetlinkError): HostError {
  return { code: error.errno === EPERM || error.errno === EACCES ? 'permission' : 'failed', detail: error.detail };
}

function translated(done: Result<undefined, NetlinkError>): Done {
  return done.ok ? done : err(fromNetlink(done.error));
}

/** It is as wanted already when the kernel answers with this number. */
function tolerate(done: Result<unknown, NetlinkError>, errno: number): Done {
  return done.ok || done.error.errno === errno ? ok(undefined) : err(fromNetlink(done.error));
}

function worded(done: Result<undefined, NetlinkError>, errno: number, what: string): Result<string | undefined, HostError> {
  if (done.ok) return ok(what);
  return done.error.errno === errno ? ok(undefined) : err(fromNetlink(done.error));
}
