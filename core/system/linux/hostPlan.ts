/**
 * Making the host equal to a `HostPlan`, and back. What has to change is worked out first, everything that undoes it goes to the
 * journal in one durable write, then it is done; applying the same plan again changes nothing.
 *
 * Routing: the table ROUTE_TABLE holds the plan's routes through the TUN, and the rule RULE_PRIORITY sends everything there but our
 * own marked sockets, so that the path to the gateway stays what it was without a route for the gateway. For a full tunnel the rules
 * before it keep more specific routes of the main table to private addresses (the LAN, other connected networks). Where the plan says what is to be held
 * when the engine dies, the same destinations are in the table once more, unreachable and last: the kernel takes the routes of a device
 * away with it, and there is no moment at which what was meant for the tunnel finds another way.
 */
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import { EACCES, EADDRNOTAVAIL, EEXIST, ENODEV, ENOENT, EPERM, ESRCH } from '../ffi/constants.ts';
import type { HostError, HostPlan } from '../ports.ts';
import { ROUTE_TABLE } from '../ports.ts';
import { type DnsMeans, dnsMeans, isDns, type ResolverTools, undoDns } from './dns.ts';
import { hostErrorOf } from './errors.ts';
import { allOurRules, familyOf, routeKey, ruleKey, ruleText, wantedRoutes, wantedRules } from './hostRules.ts';
import type { Journal, UndoEntry } from './journal.ts';
import type { InterfaceAddress, Link, NetlinkError, Route, Rtnetlink } from './rtnetlink.ts';
import { filterOfAll, readSysctl, strictFilter, writeQuietly, writeSysctl } from './sysctl.ts';

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
    // What another monitor put in place is to be taken back by us.
    this.#dns = this.#journal.entries.some(isDns) ? 'of another monitor' : '';
  }

  /** True while something may have to be undone. */
  get applied(): boolean {
    return this.#journal.entries.length > 0;
  }

  /** What stays in place when the device goes; undefined when nothing would. What the kernel has counts: a plan without may have come after. */
  held(): HostPlan['whenLost'] {
    const entry = this.#journal.entries.findLast(({ kind }) => kind === 'hold');
    if (entry?.kind !== 'hold') return undefined;
    const routes = this.#netlink.routes(ROUTE_TABLE);
    return routes.ok && routes.value.some(({ unreachable }) => unreachable) ? entry.whenLost : undefined;
  }

  /**
   * Leads what is held into a new device, which carries nothing yet. A reverse-path filter, loose as it may be, knows no way through a route
   * that leads nowhere, and would drop what the gateway answers.
   */
  lead(name: string): Result<readonly string[], HostError> {
    if (this.held() === undefined) return ok([]);
    const link = this.#netlink.link(name);
    const routes = this.#netlink.routes(ROUTE_TABLE);
    if (!link.ok) return err(fromNetlink(link.error));
    if (!routes.ok) return err(fromNetlink(routes.error));
    const { value: device } = link;
    const held = routes.value.filter(({ unreachable }) => unreachable);
    // A device that has them keeps them until a plan says otherwise.
    if (device === undefined || held.length < routes.value.length) return ok([]);
    const steps = [
      this.#raise(
        device,
        {},
        held.some(({ family }) => family === 6),
      ),
      ...held.map(({ unreachable: _, ...route }) => this.#addRoute({ ...route, interface: device.index }, device)),
    ];
    const changes: string[] = [];
    const done = this.#execute(steps, changes);
    return done.ok ? ok(changes) : done;
  }

  /**
   * What was changed, in words. On an error everything is taken back, unless something was held before: that is held still, whatever else is not
   * in place, until a plan can be applied or all is taken back. The plan is taken as validated.
   */
  apply(plan: HostPlan): Result<readonly string[], HostError> {
    const name = plan.interface.name;
    const before = this.held();
    const changes: string[] = [];
    const others = new Set(this.#devices().filter((device) => device !== name));
    if (others.size > 0 && plan.whenLost === undefined) {
      const reverted = this.revert();
      if (!reverted.ok) return reverted;
      changes.push(...reverted.value);
    }
    const steps = this.#plan(plan);
    let done = steps.ok ? this.#execute(steps.value, changes) : steps;
    // Where something is held, the new takes the place of the old before that goes.
    for (const other of others) {
      const cleared = done.ok ? this.#clearLink(other) : done;
      if (!cleared.ok) done = cleared;
      else if (cleared.value !== undefined) changes.push(cleared.value);
    }
    if (done.ok) return ok(changes);
    if (before === undefined || this.held() === undefined) {
      this.revert();
      return done;
    }
    const link = this.#netlink.link(name);
    if (link.ok && link.value === undefined) return err({ code: 'device-gone', detail: `${name} is there no more` });
    return err({ code: 'still-held', detail: done.error.detail });
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
    try {
      this.#journal.clear();
    } catch (error) {
      // On a disk that became read-only. All is undone nevertheless.
      changes.push(`the journal stays: ${hostErrorOf(error, 'empty it').detail}`);
    }
    return ok(changes);
  }

  /** At the start, when what the journal says is the work of a monitor that is gone: also removes its TUN devices. */
  recover(): Result<readonly string[], HostError> {
    const names = new Set(this.#devices());
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

  #devices(): readonly string[] {
    return this.#journal.entries.flatMap((entry) => (entry.kind === 'link' ? [entry.name] : []));
  }

  #execute(steps: readonly Step[], changes: string[]): Done {
    try {
      if (!this.#journal.append(steps.flatMap(({ undo }) => (undo === undefined ? [] : [undo]))))
        return err({ code: 'failed', detail: 'other name servers too often: the journal is full' });
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
      this.#dnsSteps(link.value, plan),
    ]) {
      if (!part.ok) return part;
      steps.push(...part.value);
    }
    return ok(steps);
  }

  #linkSteps(link: Link, { mtu, addresses }: HostPlan['interface']): Result<readonly Step[], HostError> {
    const ipv6 = addresses.some(({ address }) => familyOf(address) === 6);
    // Another program may switch IPv6 off on all devices while ours is up, and the kernel refuses its addresses then.
    const off = ipv6 && readSysctl(`net/ipv6/conf/${link.name}/disable_ipv6`) === '1';
    return ok(link.up && link.mtu === mtu && !off ? [] : [this.#raise(link, { mtu }, ipv6)]);
  }

  #raise(link: Link, change: { readonly mtu?: number }, ipv6: boolean): Step {
    return {
      what: `${link.name} up${change.mtu === undefined ? '' : `, mtu ${change.mtu}`}`,
      undo: { kind: 'link', name: link.name },
      run: () => {
        // Else the kernel would make a link-local address and send router solicitations into the tunnel.
        writeQuietly(`/proc/sys/net/ipv6/conf/${link.name}/addr_gen_mode`, '1');
        // An address must not take others of its network with it when it goes.
        writeQuietly(`/proc/sys/net/ipv4/conf/${link.name}/promote_secondaries`, '1');
        // Where IPv6 is off by default, an office that gives an IPv6 address still needs it, on its own device only.
        if (ipv6) writeQuietly(`/proc/sys/net/ipv6/conf/${link.name}/disable_ipv6`, '0');
        return translated(this.#netlink.setLink(link.index, { up: true, ...change }));
      },
    };
  }

  #addRoute(route: Route, { name }: Link): Step {
    return {
      what: `route ${route.destination} via ${name}`,
      undo: { kind: 'link', name },
      run: () => translated(this.#netlink.addRoute(route)),
    };
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
    const { whenLost } = plan;
    const wanted = wantedRoutes(plan, link.index);
    const have = new Set(current.value.map(routeKey));
    const want = new Set(wanted.map(routeKey));
    const stale = current.value.filter((route) => !want.has(routeKey(route)));
    const missing = wanted.filter((route) => !have.has(routeKey(route)));
    const steps: Step[] = [];
    for (const route of missing) {
      const through = this.#addRoute(route, link);
      const held = route.unreachable === true && whenLost !== undefined;
      if (held) steps.push({ ...through, what: `route ${route.destination} nowhere`, undo: { kind: 'hold', whenLost } });
      else steps.push(through);
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
    const before = plan.routes.some((route) => familyOf(route) === 4) ? strictFilter() : undefined;
    if (before === undefined) return ok([]);
    return ok([
      {
        what: `rp_filter of all interfaces ${before} to 2 (loose)`,
        undo: { kind: 'sysctl', name: filterOfAll, before, after: '2' },
        run: () => writeSysctl(filterOfAll, '2'),
      },
    ]);
  }

  #ruleSteps(plan: HostPlan): Result<readonly Step[], HostError> {
    const current = this.#netlink.rules();
    if (!current.ok) return err(fromNetlink(current.error));
    const wanted = wantedRules(plan);
    const have = new Set(current.value.map(ruleKey));
    const want = new Set(wanted.map(ruleKey));
    const steps: Step[] = [];
    for (const rule of wanted) {
      if (have.has(ruleKey(rule))) continue;
      steps.push({
        what: ruleText(rule),
        undo: { kind: 'rule', rule },
        run: () => tolerate(this.#netlink.addRule(rule), EEXIST),
      });
    }
    for (const rule of allOurRules()) {
      if (!have.has(ruleKey(rule)) || want.has(ruleKey(rule))) continue;
      steps.push({
        what: `${ruleText(rule)} removed`,
        run: () => tolerate(this.#netlink.deleteRule(rule), ENOENT),
      });
    }
    return ok(steps);
  }

  #dnsSteps({ index }: Link, plan: HostPlan): Result<readonly Step[], HostError> {
    const { dns } = plan;
    if (dns === undefined || dns.servers.length === 0) {
      return ok(this.#dns === '' ? [] : [{ what: 'DNS taken back', run: () => this.#withdrawDns() }]);
    }
    // By its index: whoever manages name servers by the device forgets them with it, and knows nothing of the next one of its name.
    const key = JSON.stringify([plan.interface.name, index, dns]);
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
      if (!isDns(entry)) continue;
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
        return worded(this.#netlink.deleteRule(entry.rule), ENOENT, `${ruleText(entry.rule)} removed`);
      case 'sysctl': {
        const now = readSysctl(entry.name);
        if (now === entry.before) return ok(undefined);
        if (now !== entry.after) return ok(`${entry.name} left at ${now}: somebody else has changed it`);
        const done = writeSysctl(entry.name, entry.before);
        return done.ok ? ok(`${entry.name} back to ${entry.before}`) : done;
      }
      case 'link':
        return this.#clearLink(entry.name);
      case 'hold':
        return this.#letGo();
      case 'resolved':
      case 'resolvconf':
      case 'file':
        return undoDns(entry, this.#resolver);
    }
  }

  #letGo(): Result<string | undefined, HostError> {
    const routes = this.#netlink.routes(ROUTE_TABLE);
    if (!routes.ok) return err(fromNetlink(routes.error));
    const held = routes.value.filter(({ unreachable }) => unreachable);
    for (const route of held) {
      const done = tolerate(this.#netlink.deleteRoute(route), ESRCH);
      if (!done.ok) return done;
    }
    return ok(held.length === 0 ? undefined : `${held.length} routes that led nowhere removed`);
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
