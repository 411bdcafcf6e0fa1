/**
 * How large inner packets may be on the way to one peer (RFC 4301 §8.2): sans-IO, with the time given. Three things bound it:
 *
 *  - what is configured, and what the interface carries;
 *  - reports of the network (RFC 1191, RFC 8201). Anybody can forge one, so none goes below a floor, each is forgotten after ten minutes
 *    (RFC 1191 §6.3), and where probing is possible it is checked: a packet of the old size that passes shows the report to be a lie,
 *    and for ten minutes others are checked before they are believed;
 *  - probes through the tunnel (RFC 8899): an echo to somebody behind the gateway, of the size in question, and at once a small one. Only where
 *    the small one is answered and the large one is not, three times, did the size die; where neither is, nothing is concluded. The MTU is
 *    lowered only to a size that was answered, and raised only to one: a target that answers small echoes only changes nothing. Without
 *    evidence but probes nothing below an outer packet of 1280 octets is tried.
 *
 * Probing happens when a target is named, the path changes, somebody suspects a black hole, a report is to be checked, and every ten minutes
 * while packets flow. Otherwise nothing is sent and nobody is woken.
 */
import type { Random } from '../crypto/types.ts';
import { type EspShape, largestInner, outerSize } from '../esp/size.ts';
import type { EchoSession } from '../ip/echo.ts';
import { EchoRound, type EchoRoute } from './echoRound.ts';
import { SizeSearch } from './sizeSearch.ts';

export interface PathMtuOptions {
  /** The inner MTU the profile wants: never exceeded. */
  readonly configured: number;
  readonly path: OuterPath;
  readonly shape: EspShape;
  readonly random: Random;
}

export interface OuterPath {
  readonly family: 4 | 6;
  /** Octets of the largest packet that our interface sends; 1500 where it is not known. */
  readonly interfaceMtu?: number;
}

export type PathAction =
  /** Seal this inner packet as it is, whatever the MTU in force, and send it with DF; an EMSGSIZE is a loss. */
  | { readonly kind: 'probe'; readonly packet: Uint8Array }
  | { readonly kind: 'mtu'; readonly mtu: InnerMtu; readonly because: MtuReason };

export interface InnerMtu {
  /** Octets of the largest inner packet. */
  readonly inner: number;
  /** Octets of the outer packet that it makes. */
  readonly outer: number;
  /** The path is said to carry less than the floor: outer packets must go without DF. */
  readonly fragmentOutside: boolean;
}

export type MtuReason =
  | 'reported' // the network said that packets are too big
  | 'black-hole' // large packets vanished and smaller ones did not
  | 'proven' // a larger packet was answered
  | 'aged' // an old report was forgotten
  | 'path'; // another path, suite or configuration

/** RFC 791, RFC 1122 §3.3.3: what every host takes; RFC 8200 §5: what every link carries. */
const outerFloor = { 4: 576, 6: 1280 } as const;
/** RFC 1191 §7.1, those that an interface of today may be above. */
const plateaus = [17_914, 8166, 4352, 2002, 1492, 1006, 576];
/** RFC 8899 §5.1.2 has 1200 and up; this is what IPv6 needs inside. */
const baseInner = 1280;
/** RFC 8899 §5.1.1 PMTU_RAISE_TIMER, RFC 1191 §6.3. Milliseconds. */
const lookAgain = 600_000;
/** The least time between two searches that the network or a suspicion can cause. */
const calm = 5_000;
const suspicionCalm = 60_000;

export class PathMtu {
  #configured: number;
  #path: OuterPath;
  #shape: EspShape;
  readonly #round: EchoRound;
  #routes: readonly EchoRoute[] = [];
  /** What the network reported, outer octets, as it said it. */
  #reported = Number.POSITIVE_INFINITY;
  #reportEnds = 0;
  /** Inner octets that probing found; infinite while it found no less than what is configured. */
  #probed = Number.POSITIVE_INFINITY;
  #search: Search | undefined;
  #lookAt: number | undefined;
  /** Until then a report is checked before it is believed. */
  #doubtUntil = Number.NEGATIVE_INFINITY;
  #lastSuspicion = Number.NEGATIVE_INFINITY;
  /** The last one that had silence for a reason. */
  #lastSilence = Number.NEGATIVE_INFINITY;
  #lastCheck = Number.NEGATIVE_INFINITY;
  #current: InnerMtu;
  readonly #actions: PathAction[] = [];

  constructor({ configured, path, shape, random }: PathMtuOptions) {
    this.#configured = configured;
    this.#path = path;
    this.#shape = shape;
    this.#round = new EchoRound(random, (packet) => this.#actions.push({ kind: 'probe', packet }));
    this.#current = this.#compute();
  }

  /** What holds now. */
  get mtu(): InnerMtu {
    return this.#current;
  }

  /** Octets of the largest inner packet, if the way carried everything. */
  get most(): number {
    const { family, interfaceMtu = 1500 } = this.#path;
    return Math.min(this.#configured, largestInner(this.#shape, family, interfaceMtu));
  }

  /** For `isEchoReply` in the inbound lane: what marks answers to the probes. */
  get session(): EchoSession {
    return this.#round.session;
  }

  /** The next thing to do, until there is none. */
  poll(): PathAction | undefined {
    return this.#actions.shift();
  }

  /** When to `tick` at the latest; undefined is never. */
  deadline(): number | undefined {
    const report = this.#reported < Number.POSITIVE_INFINITY ? this.#reportEnds : undefined;
    const probing = this.#search === undefined ? this.#lookAt : this.#round.deadline;
    return report === undefined || (probing !== undefined && probing < report) ? probing : report;
  }

  /** Somebody behind the gateway to ask, the likeliest first; at most four are tried. Probing begins; none ends it. */
  probeThrough(routes: readonly EchoRoute[], now: number): void {
    this.#routes = routes.slice(0, 4);
    this.#stopSearch();
    this.#lookAt = undefined;
    // A look stays below a report; now there is somebody who can show it to be a lie.
    if (this.#reported < Number.POSITIVE_INFINITY) this.#begin({ kind: 'verify', size: this.#unreported() }, now);
    else this.#look(false, now);
  }

  /** Packets take another way, of which nothing is known, or a new SA has another suite or bound. */
  change(change: Partial<Pick<PathMtuOptions, 'path' | 'shape' | 'configured'>>, now: number): void {
    const { family } = this.#path;
    const probed = Number.isFinite(this.#probed) ? outerSize(this.#shape, family, this.#probed) : undefined;
    this.#path = change.path ?? this.#path;
    this.#shape = change.shape ?? this.#shape;
    this.#configured = change.configured ?? this.#configured;
    if (change.path === undefined) {
      if (probed !== undefined) this.#probed = largestInner(this.#shape, family, probed);
    } else {
      this.#reported = Number.POSITIVE_INFINITY;
      this.#probed = Number.POSITIVE_INFINITY;
      this.#doubtUntil = Number.NEGATIVE_INFINITY;
    }
    this.#settle('path');
    this.#look(false, now);
  }

  /** The kernel says that only `outer` octets pass (RFC 1191, RFC 8201). Whoever is on the way, or guesses well, can make it say so. */
  reported(outer: number, now: number): void {
    // RFC 1191 §5: an old router says that it was too much, and no number.
    if (outer === 0) {
      if (this.#routes.length > 0) this.suspect(now, true);
      else this.reported(plateauBelow(this.#current.outer) ?? this.#current.outer, now);
      return;
    }
    // RFC 8201 §4: a report below the least MTU of IPv6 is discarded. RFC 791: no link carries less than 68.
    if (outer < (this.#path.family === 6 ? outerFloor[6] : 68)) return;
    // RFC 8201 §4: never raised by a report.
    if (outer >= Math.min(this.#current.outer, this.#reported)) {
      if (outer === this.#reported) this.#reportEnds = now + lookAgain;
      return;
    }
    if (now < this.#doubtUntil && this.#routes.length > 0) {
      if (this.#search !== undefined || now - this.#lastCheck < calm) return;
      this.#lastCheck = now;
      this.#begin({ kind: 'check', size: this.#current.inner, outer }, now);
      return;
    }
    const before = this.#search?.kind === 'verify' ? this.#search.size : this.#current.inner;
    this.#believe(outer, now);
    // A check of the older size is under way already, or one is begun.
    if (this.#search?.kind !== 'verify') this.#begin({ kind: 'verify', size: before }, now);
  }

  /**
   * Large packets go out: whether they arrive is looked at, once a minute at most. With `silent` there is reason to think that they do not,
   * and a look for no reason does not put this one off.
   */
  suspect(now: number, silent: boolean): void {
    if (now - (silent ? this.#lastSilence : this.#lastSuspicion) < suspicionCalm) return;
    this.#lastSuspicion = now;
    if (silent) this.#lastSilence = now;
    if (this.#search === undefined || this.#search.kind === 'look') this.#look(true, now);
  }

  /**
   * A packet that `isEchoReply` picked out in the inbound lane: whether it answers a probe that is open. Others are late, doubled or forged, and
   * change nothing.
   */
  answer(bytes: Uint8Array, at: number, length: number, now: number): boolean {
    const open = this.#round.answer(bytes, at, length, now);
    if (open) this.#advance(now);
    return open;
  }

  /** The deadline has come. `busy`: packets were sent since the last tick; without it nothing new is begun. */
  tick(now: number, busy: boolean): void {
    if (this.#reported < Number.POSITIVE_INFINITY && now >= this.#reportEnds) this.#forgetReport(now);
    if (this.#search !== undefined) {
      this.#round.tick(now);
      this.#advance(now);
    } else if (this.#lookAt !== undefined && now >= this.#lookAt) {
      this.#lookAt = now + lookAgain;
      if (busy) this.#look(false, now);
    }
  }

  // --- what is known -------------------------------------------------------------------------------------------------------------

  #compute(): InnerMtu {
    const inner = Math.min(this.#top(), this.#probed);
    const fragmentOutside = this.#reported < outerFloor[this.#path.family];
    return { inner, outer: outerSize(this.#shape, this.#path.family, inner), fragmentOutside };
  }

  /** The largest inner packet worth a probe. */
  #top(): number {
    const { family, interfaceMtu = 1500 } = this.#path;
    const outer = Math.min(interfaceMtu, Math.max(this.#reported, outerFloor[family]));
    return Math.min(this.#configured, largestInner(this.#shape, family, outer));
  }

  /** What the largest would be without the report. */
  #unreported(): number {
    return Math.min(this.most, this.#probed);
  }

  #settle(because: MtuReason): void {
    const before = this.#current;
    this.#current = this.#compute();
    const { inner, fragmentOutside } = this.#current;
    if (inner === before.inner && fragmentOutside === before.fragmentOutside) return;
    this.#actions.push({ kind: 'mtu', mtu: this.#current, because });
  }

  #believe(outer: number, now: number): void {
    this.#reported = outer;
    this.#reportEnds = now + lookAgain;
    this.#settle('reported');
  }

  #forgetReport(now: number): void {
    this.#reported = Number.POSITIVE_INFINITY;
    // With somebody to ask, larger packets are tried before they are used.
    if (this.#routes.length > 0 && this.#round.alive) this.#probed = Math.min(this.#probed, this.#current.inner);
    this.#settle('aged');
    this.#look(false, now);
  }

  // --- probing -------------------------------------------------------------------------------------------------------------------

  #look(evidence: boolean, now: number): void {
    const { family } = this.#path;
    const top = this.#top();
    const floor = Math.min(top, largestInner(this.#shape, family, outerFloor[family]));
    const base = Math.max(floor, Math.min(top, baseInner));
    // A target that answers so much but not more has no such habit (those that do stop far below): it is the way.
    const likely = Math.min(base, largestInner(this.#shape, family, outerFloor[6]));
    const sizes = new SizeSearch({ first: this.#current.inner, base, floor: evidence ? floor : likely, top });
    this.#begin({ kind: 'look', sizes }, now);
  }

  #begin(search: Search, now: number): void {
    if (this.#routes.length === 0) return;
    this.#search = search;
    this.#round.find(this.#routes, now);
  }

  #stopSearch(): void {
    this.#search = undefined;
    this.#round.stop();
  }

  /** Goes on as far as the answers allow. */
  #advance(now: number): void {
    let search = this.#search;
    while (search !== undefined && this.#round.outcome !== 'open') {
      const size = this.#weigh(search, now);
      if (size === undefined) this.#over(now);
      else this.#round.probe(size, now);
      search = this.#search;
    }
  }

  /** Learns from what the round came to; the size to try next, undefined when the search is over. */
  #weigh(search: Search, now: number): number | undefined {
    const { outcome, size } = this.#round;
    if (outcome === 'lived') this.#lived(search, size, now);
    if (outcome === 'died') this.#died(search, size, now);
    if (outcome === 'silent') {
      // What cannot be checked is believed, as where there never was anybody to ask.
      if (search.kind === 'check') this.#believe(search.outer, now);
      return undefined;
    }
    if (search.kind === 'look') return search.sizes.next();
    return outcome === 'found' ? search.size : undefined;
  }

  #lived(search: Search, size: number, now: number): void {
    if (search.kind === 'look') {
      search.sizes.answered(size);
      this.#learn(search.sizes);
    } else if (search.kind === 'verify') {
      this.#reported = Number.POSITIVE_INFINITY;
      this.#doubtUntil = now + lookAgain;
      this.#settle('proven');
    }
  }

  #died(search: Search, size: number, now: number): void {
    if (search.kind === 'look') {
      search.sizes.died(size);
      this.#learn(search.sizes);
    } else if (search.kind === 'check') {
      this.#doubtUntil = Number.NEGATIVE_INFINITY;
      this.#believe(search.outer, now);
    }
  }

  #learn({ works, dies }: SizeSearch): void {
    const { inner } = this.#current;
    if (works === 0 || (works <= inner && dies > inner)) return;
    const { family } = this.#path;
    // All inner packets that fill up the same outer one are proven with it.
    const proven = largestInner(this.#shape, family, outerSize(this.#shape, family, works));
    this.#probed = proven >= this.#top() ? Number.POSITIVE_INFINITY : proven;
    this.#settle(works > inner ? 'proven' : 'black-hole');
  }

  #over(now: number): void {
    this.#stopSearch();
    this.#lookAt = now + lookAgain;
  }
}

type Search =
  /** Finds the largest size that lives. */
  | { readonly kind: 'look'; readonly sizes: SizeSearch }
  /** A report was believed: does the size that was in use before live all the same? */
  | { readonly kind: 'verify'; readonly size: number }
  /** A report was not believed: does the size in use die? */
  | { readonly kind: 'check'; readonly size: number; readonly outer: number };

function plateauBelow(outer: number): number | undefined {
  return plateaus.find((plateau) => plateau < outer);
}
