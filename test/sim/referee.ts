/**
 * What must hold, whatever happens. The first violation ends a simulation. Always:
 *
 * - `exception`: nothing throws
 * - `stuck`: a tick at a deadline moves it; `runaway`: there is a bound on the steps of one second
 * - `after-closed`: a machine that said `closed` says nothing more, and has removed what it installed
 * - `installation`, `removal`: what is removed was installed, what is replaced is there, no SPI twice
 * - `keys`: what one side sends on an SA the other opens with the same keys; of one IKE SA both have the same keys
 * - `duplicate`: no two CHILD SAs for one selector set for longer than `Bounds.duplicate`
 * - `memory`: no more SAs than `most` at once, none left over at the end, or for longer than `Bounds.duplicate` beside the one in use
 * - `clear`: once it was up, and until the user wants its end, nothing that is meant for the tunnel leaves in clear
 * - `unjust`: in an honest world no session ends for a reason of dishonesty
 *
 * While nothing but rekeying happens, and moves that MOBIKE follows (`calm`): no session ends, nothing expires (`torn`), and no packet comes too late for its SA (`late`).
 */
import type { IkeOutput, IkeTiming } from '../../core/ike/sa/contract.ts';
import { graceFor, redundantFor, usualTiming } from '../../core/ike/sa/lifetimes.ts';
import type { Installed, Plane } from './plane.ts';
import type { Scenario } from './scenario.ts';

export type Side = 'client' | 'office';

export interface Violation {
  readonly invariant: string;
  readonly evidence: string;
  readonly at: number;
}

/** Milliseconds. */
export interface Bounds {
  /** A request that is not answered is given up after so long. */
  readonly patience: number;
  /** After the last trouble all is well again. */
  readonly recovery: number;
  /** Two SAs where one is enough; the same in a good network. */
  readonly duplicate: number;
  readonly duplicateWhenFair: number;
}

/** IKE SAs and CHILD SAs of one side of one connection. */
const most = { ike: 8, child: 24 } as const;
/** Steps of a machine: what a flood of duplicates may bring, and what a second may need. */
const steps = { free: 4_000, perSecond: 80 } as const;
const LONGEST_RETRY = 60_000;

export function patienceOf({
  retransmitFirst,
  retransmitFactor,
  retransmitMax,
  retransmitTries,
}: Omit<IkeTiming, 'livenessAfter'>): number {
  let patience = 0;
  for (let sent = 0, pause = retransmitFirst; sent <= retransmitTries; sent++) {
    patience += pause;
    pause = Math.min(pause * retransmitFactor, retransmitMax);
  }
  return patience;
}

/**
 * - recovery: silence is noticed after `liveness`, and believed after the patience of one request, which may itself have waited for another;
 *   then the retry schedule waits for up to a minute, and a connection takes up to `establishWithin`, or fails once more because the
 *   office has to find out as well.
 * - duplicate: the side that is to delete the redundant SA has `redundantFor`; then the other does, by a request that may wait for one in
 *   flight and has a patience of its own. In a good network a request waits only for an office
 *   that has lost its memory.
 */
export function boundsOf({ client, office }: Scenario): Bounds {
  // Two rounds of repetitions where packets of the peer still come (ikeSa.ts).
  const patience = 2 * patienceOf(usualTiming);
  return {
    patience,
    recovery: Math.max(client.liveness, office.liveness) + 2 * patience + 2 * LONGEST_RETRY + usualTiming.establishWithin,
    duplicate: redundantFor + graceFor + 3 * patience,
    duplicateWhenFair: redundantFor + graceFor + patience,
  };
}

interface Current {
  readonly spis: string;
  readonly since: number;
}

interface Sa {
  readonly id: string;
  readonly line: string;
  readonly bornAt: number;
}

const dishonest: ReadonlySet<string> = new Set([
  'no-proposal-chosen',
  'ke-refused',
  'bad-answer-proposal',
  'bad-public-value',
  'authentication-failed',
  'gateway-authentication-failed',
  'gateway-identity',
  'auth-method-mismatch',
  'child-no-proposal-chosen',
  'child-bad-answer-proposal',
  'ts-unacceptable',
  'bad-answer-selectors',
  'no-address',
  'child-refused',
  'gateway-version',
  'gateway-error',
  'no-fragmentation',
  'protocol',
  'redirected',
]);

export class Referee {
  violation: Violation | undefined;
  readonly bounds: Bounds;
  readonly counts = { ikeRekeyed: 0, childRekeyed: 0, closed: 0, opened: 0, refused: 0, most: 0 };
  readonly trace: string[] = [];
  readonly #tracing: boolean;
  /** IKE SAs by their SPIs, those whose end was not told. */
  readonly #sas: Readonly<Record<Side, Map<string, Sa>>> = { client: new Map(), office: new Map() };
  /** The one in use of each connection, and since when. */
  readonly #current: Readonly<Record<Side, Map<string, Current>>> = { client: new Map(), office: new Map() };
  readonly #closed: Readonly<Record<Side, Set<string>>> = { client: new Set(), office: new Set() };
  readonly #repeats = new Map<string, number>();
  /** SPIs of what was deleted on purpose, while it was in use. */
  readonly #deleted = new Set<number>();
  #steps = 0;
  #troubledUntil = 0;

  constructor(scenario: Scenario, tracing: boolean) {
    this.bounds = boundsOf(scenario);
    this.#tracing = tracing;
  }

  // --- calm ------------------------------------------------------------------------------------------------------------------------

  /** Something happens that may end a session, until then; what follows from it follows soon. */
  trouble(until: number): void {
    this.#troubledUntil = Math.max(this.#troubledUntil, until + this.bounds.recovery);
  }

  calm(now: number): boolean {
    return now >= this.#troubledUntil;
  }

  // --- what is told ----------------------------------------------------------------------------------------------------------------

  note(now: number, text: string): void {
    if (this.#tracing) this.trace.push(`${now} ${text}`);
  }

  fail(invariant: string, evidence: string, now: number): void {
    this.note(now, `VIOLATION ${invariant}: ${evidence}`);
    this.violation ??= { invariant, evidence, at: now };
  }

  demand(problem: string | undefined, invariant: string, now: number): void {
    if (problem !== undefined) this.fail(invariant, problem, now);
  }

  step(side: Side, now: number): void {
    this.#steps++;
    if (this.#steps > steps.free + (steps.perSecond * now) / 1_000)
      this.fail('runaway', `${this.#steps} steps, now of the ${side}`, now);
  }

  /** After a tick. */
  progressed(who: string, deadline: number, now: number): void {
    const repeats = deadline <= now ? (this.#repeats.get(who) ?? 0) + 1 : 0;
    this.#repeats.set(who, repeats);
    if (repeats > 4) this.fail('stuck', `the deadline of ${who} stays ${now - deadline} ms in the past`, now);
  }

  /** The computer lost its memory. */
  forgotten(side: Side): void {
    this.#sas[side].clear();
    this.#current[side].clear();
  }

  /** With nothing in its place, so packets are on their way for which it is too late. */
  deleted({ spiIn, spiOut }: Pick<Installed, 'spiIn' | 'spiOut'>): void {
    this.#deleted.add(spiIn).add(spiOut);
  }

  /** A packet came that is not opened. */
  refused(
    side: Side,
    why: 'unknown' | 'gone' | 'keys',
    of: { readonly spi: number; readonly sameConnection: boolean },
    now: number,
  ): void {
    this.counts.refused++;
    if (why === 'keys') this.fail('keys', `the ${side} has other keys for SPI ${of.spi}`, now);
    else if (why === 'gone' && of.sameConnection && this.calm(now) && !this.#deleted.has(of.spi))
      this.fail('late', `a packet to SPI ${of.spi} of the ${side}`, now);
  }

  /** An output, before it is carried out. */
  heard(side: Side, id: string, out: IkeOutput, plane: Plane, now: number): void {
    if (this.#tracing) this.#write(side, id, out, now);
    if (id === '') return;
    if (this.#closed[side].has(id)) {
      this.fail('after-closed', `${out.kind} of the ${side}`, now);
      return;
    }
    switch (out.kind) {
      case 'key-log':
        if (out.table === 'ikev2') this.#born(side, id, out.line, now);
        return;
      case 'log':
        if (out.text.startsWith('IKE SA ended')) this.#sas[side].delete(`${out.fields?.spiI},${out.fields?.spiR}`);
        return;
      case 'established':
      case 'ike-rekeyed':
        this.#current[side].set(id, { spis: `${out.sa.spiI},${out.sa.spiR}`, since: now });
        if (out.kind === 'ike-rekeyed') this.counts.ikeRekeyed++;
        return;
      case 'child-rekeyed':
        this.counts.childRekeyed++;
        return;
      case 'install-child':
        if (plane.installed.length >= most.child) this.fail('memory', `${plane.installed.length} CHILD SAs of the ${side}`, now);
        return;
      case 'closed':
        this.#ended(side, id, out, plane, now);
        return;
      default:
        return;
    }
  }

  #born(side: Side, id: string, line: string, now: number): void {
    const spis = line.slice(0, 33);
    const other = this.#sas[side === 'client' ? 'office' : 'client'].get(spis);
    // RFC 9370: with additional key exchanges there are several keys, one after the other, and not on both sides at once.
    const first = !this.#current[side].has(id);
    if (other && other.line !== line && !first) this.fail('keys', `of the IKE SA ${spis}`, now);
    this.#sas[side].set(spis, { id, line, bornAt: now });
    const own = [...this.#sas[side].values()].filter((sa) => sa.id === id).length;
    this.counts.most = Math.max(this.counts.most, own);
    if (own > most.ike) this.fail('memory', `${own} IKE SAs of the ${side}`, now);
  }

  #ended(side: Side, id: string, { failure }: Extract<IkeOutput, { kind: 'closed' }>, plane: Plane, now: number): void {
    this.counts.closed++;
    this.#closed[side].add(id);
    this.#current[side].delete(id);
    if (plane.installed.length > 0) this.fail('after-closed', `${plane.installed.length} CHILD SAs of the ${side} are left`, now);
    const left = [...this.#sas[side].entries()].filter(([, sa]) => sa.id === id);
    if (left.length > 0) this.fail('memory', `IKE SA ${left[0][0]} of the ${side} is left over`, now);
    if (failure && dishonest.has(failure.code)) this.fail('unjust', `${side}: ${failure.code}: ${failure.evidence}`, now);
    if (failure && this.calm(now)) this.fail('torn', `${side}: ${failure.code}: ${failure.evidence}`, now);
  }

  // --- looked at now and then ------------------------------------------------------------------------------------------------------

  /** True: no SA is there that has a successor. `from`: nothing before that counts. */
  inspect(
    side: Side,
    id: string,
    plane: Plane,
    { from, within }: { readonly from: number; readonly within: number },
    now: number,
  ): boolean {
    let tidy = true;
    const newest = new Map<string, number>();
    for (const { selectors, installedAt } of plane.installed)
      newest.set(selectors, Math.max(newest.get(selectors) ?? 0, installedAt));
    for (const sa of plane.installed) {
      const since = newest.get(sa.selectors) ?? 0;
      const twins = plane.installed.filter((one) => one.selectors === sa.selectors);
      if (twins.length > 1) tidy = false;
      // The one before has had its time since the newest came.
      if (twins.length > 1 && now - Math.max(since, from) > within)
        this.fail('duplicate', `${twins.length} CHILD SAs of the ${side} for ${sa.selectors}`, now);
    }
    const current = this.#current[side].get(id);
    for (const [spis, sa] of this.#sas[side]) {
      if (!current || sa.id !== id || spis === current.spis) continue;
      tidy = false;
      if (now - Math.max(sa.bornAt, current.since, from) > within)
        this.fail('memory', `IKE SA ${spis} of the ${side} is still there`, now);
    }
    return tidy;
  }

  #write(side: Side, id: string, out: IkeOutput, now: number): void {
    const who = side === 'client' ? id : `      office ${id.slice(0, 4)}`;
    if (out.kind === 'log') {
      const { spiI, payloads, messageId, ...fields } = out.fields ?? {};
      const of = `${String(spiI ?? '').slice(0, 4)}${messageId === undefined ? '' : ` #${messageId}`}`;
      const about = ['spiIn', 'code', 'retryMs', 'replaces']
        .filter((name) => name in fields)
        .map((name) => `${name} ${fields[name]}`);
      this.note(now, `${who}: [${of}] ${out.text} ${payloads ?? ''} ${about.join(', ')}`);
      return;
    }
    if (out.kind === 'transmit' || out.kind === 'key-log') return;
    this.note(now, `${who}: ${JSON.stringify(out, brief)}`);
  }
}

function brief(name: string, value: unknown): unknown {
  const left = [
    'keysIn',
    'keysOut',
    'localSelectors',
    'remoteSelectors',
    'encr',
    'integ',
    'esn',
    'prf',
    'ke',
    'limits',
    'ticket',
  ];
  return left.includes(name) || value instanceof Uint8Array ? undefined : value;
}
