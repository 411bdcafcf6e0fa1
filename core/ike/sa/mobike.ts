/**
 * MOBIKE as the initiator (RFC 4555): which way the session goes, and how the gateway learns of it. The session moves when the way in use is
 * not one of ours any more (`paths`), when an answer comes over another one, and when the gateway refuses an address. It moves at once,
 * CHILD SAs and the request in flight too (§3.5), and then tells the gateway: UPDATE_SA_ADDRESSES with COOKIE2 (§3.7).
 *
 * A window of one request means that a way cannot be tested while another test is under way (§3.10), so whatever request is in flight is
 * the test: when it was sent twice in vain, or goes to an address that never answered, it goes over all ways at once, and over whichever the
 * answer comes, the session moves. Which way works is not believed because of where that answer seems to come from (§3.7): the update that
 * follows goes there alone.
 *
 * Which IKE SA the gateway takes for the one in use is not always known here: it rekeyed the one before, and our answer may be on its way to
 * where we are not any more. Then it is told in both; and what was told in one that was replaced before the answer is told in the next.
 *
 * Over TCP (RFC 9329 §7.1) `paths` are the ways over UDP that there would be. Now and then, and when they are news, a request goes over them
 * first, and over the connection only when it was sent in vain (`OutgoingExchange.first`); where UDP brings the answer, the session moves as
 * it does to any other way. Until the gateway knows, the connection is one more way.
 *
 * Questions whether the peer lives show what the gateway sees of us; when a NAT has given us another address, it is told (§3.8).
 */
import { toHex } from '../../bytes/bytes.ts';
import type { Random } from '../../crypto/types.ts';
import { fatalInResponse } from '../exchanges/informational.ts';
import { additionalAddresses, bringsBack, copyCookie2, noNatsAllowed, readAllAdditional } from '../exchanges/mobike.ts';
import { detectNat, natDetection, natHashOctets } from '../nat.ts';
import { EXCHANGE, NOTIFY } from '../wire/constants.ts';
import type { Payload, PayloadOf } from '../wire/message.ts';
import { deleteIkeSa, findNotify, notify } from '../wire/payloads.ts';
import type { Endpoint, IkeFailure, IkeOutput, Path } from './contract.ts';
import type { IkeSa } from './ikeSa.ts';
import type { Narrator } from './narrator.ts';
import type { NotifyTaken, OutgoingExchange, Roads, Route, Spis } from './setup.ts';
import { UdpTrials } from './udpTrials.ts';

export interface MobikeSetup {
  /** A NAT is pretended to the gateway (`IkeConfig.forceEncapsulation`), except over TCP. */
  readonly disguise: boolean;
  readonly random: Random;
  readonly narrator: Narrator;
  readonly emit: (output: IkeOutput) => void;
  /** The IKE SA in use. */
  readonly current: () => IkeSa | undefined;
  /** The one before, as long as the gateway may know no other. */
  readonly before: (now: number) => IkeSa | undefined;
}

/** What was asked with UPDATE_SA_ADDRESSES. */
interface Update {
  readonly sa: IkeSa;
  readonly cookie: Uint8Array;
  readonly generation: number;
}

/** Where the packets of CHILD SAs go. */
export interface Way {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly natLocal: boolean;
}

/** A request that was sent so often goes over all ways from then on: with the usual timing 1.4 s after the first time. */
const sentInVain = 2;
/** RFC 4555 §3.9: times that an update is repeated because somebody changed its addresses on the way. */
const mostRetries = 3;
const cookieOctets = 16;
/** A gateway that does not take the DELETE from another address is not waited for: as long as the first sending and two more. Milliseconds. */
const leaveWithin = 1_500;

export class Mobike implements Roads {
  readonly #setup: MobikeSetup;
  /** Agreed with the gateway. */
  #agreed = false;
  /** All there are, the best first. */
  #paths: readonly Path[];
  #path: Path;
  #way: Way;
  /** Counts changes of the way: an answer to an update from before one says nothing (§3.5). */
  #generation = 0;
  /** The last of them that the gateway has answered an update of: where it is behind, one is in flight, or waits. */
  #known = 0;
  /** The gateway has answered an update of the way in use. */
  #settled = true;
  /** What the update in flight in an IKE SA is of. */
  readonly #toldIn = new WeakMap<IkeSa, number>();
  #retries = 0;
  /** Addresses of the gateway that answered once. Of others nobody knows whether they are meant for us: they are tried all at once. */
  readonly #answering = new Set<string>();
  /** Remote addresses that the gateway does not take us at. */
  #refused: readonly string[] = [];
  /** What the gateway saw of us: the hash, and the SPIs it was made with. */
  #seen: { readonly spis: string; readonly hash: string } | undefined;
  /** Of the request of the gateway that is being read. */
  #listed: readonly PayloadOf<'N'>[] = [];
  #translated = false;
  /** Addresses of ours that the gateway was told of. */
  #announced: readonly string[] = [];
  /** A request with the list waits. */
  #announcing = false;
  readonly #trials = new UdpTrials();
  /** A request that tries UDP waits to be sent. */
  #trialQueued = false;
  /** The way over TCP, which is still open while the gateway does not know of the one over UDP. */
  #tcp: Way | undefined;

  /** `way` is that of IKE_AUTH. */
  constructor(setup: MobikeSetup, path: Path, way: Way) {
    this.#setup = setup;
    this.#paths = way.remote.transport === 'tcp' ? [] : [path];
    this.#path = path;
    this.#way = way;
    this.#answering.add(way.remote.address);
  }

  /** Where it goes now. */
  get way(): Way {
    return this.#way;
  }

  /** The notifies of the last response of IKE_AUTH. */
  established(notifies: readonly PayloadOf<'N'>[], now: number): void {
    this.#agreed = findNotify(notifies, NOTIFY.MOBIKE_SUPPORTED) !== undefined;
    if (!this.#agreed) return;
    const additional = readAllAdditional(notifies) ?? [];
    if (additional.length > 0) this.#setup.emit({ kind: 'peer-addresses', addresses: additional });
    // §3.3: the gateway took our address from the request that it saw first, and we may have been elsewhere for that moment.
    if (!this.#setup.current()?.hasRepeated || this.#isOverTcp()) return;
    this.#generation++;
    this.#update(now);
  }

  /** What the network gives us now. */
  changed(paths: readonly Path[], now: number): void {
    const sa = this.#setup.current();
    if (sa?.state !== 'established') return;
    if (this.#isOverTcp()) {
      if (this.#agreed) this.#changedOverTcp(paths, now);
      return;
    }
    const stays = paths.find((path) => isSame(path, this.#path));
    if (!this.#agreed) {
      const [other] = paths;
      if (stays) sa.checkLiveness(now);
      else if (other) {
        this.#way = { ...this.#way, remote: { ...this.#way.remote, address: other.remote.address } };
        // What is in flight would keep the DELETE waiting.
        for (const one of this.#told(now)) one.moveTo({ channel: one.channel, remote: this.#way.remote }, undefined, now);
        this.#leave('our address changed, and the gateway does not do MOBIKE', now);
      }
      return;
    }
    this.#paths = paths;
    this.#refused = [];
    const [best] = paths;
    if (best === undefined) {
      this.#setup.narrator.log('info', 'there is no network: waiting');
      return;
    }
    if (!stays) {
      this.#move(best, 'our address changed', now);
      return;
    }
    this.#announce(now);
    // Another network may have given us the same address. What is in flight goes out again, or the gateway is asked.
    for (const one of this.#told(now)) one.reconnected(now);
  }

  /** A new TCP connection: what is in flight goes out again, and the gateway is told to come there (RFC 9329 §6.1). */
  reconnected(now: number): void {
    const sa = this.#setup.current();
    if (!this.#agreed || sa?.state !== 'established') {
      sa?.reconnected(now);
      return;
    }
    if (!this.#isOverTcp()) return;
    this.#generation++;
    this.#seen = undefined;
    // RFC 9329 §7.1: UDP has its chance first; then the request that tries it goes here, and this one behind it.
    if (sa.trying) this.#update(now);
    else this.#moveTo(this.#way.remote, now);
  }

  /** The IKE SA in use is a new one. An update in the one before may end with it, or came when the gateway had gone on to the new one. */
  rekeyed(now: number): void {
    if (this.#agreed && this.#known !== this.#generation) this.#update(now);
  }

  routes(sent: number): readonly Route[] {
    const { remote } = this.#way;
    const here = { channel: this.#setup.current()?.channel ?? 'natt', remote } as const;
    if (!this.#agreed || this.#isOverTcp()) return [here];
    if (this.#paths.length === 0) return [];
    if (sent <= sentInVain && this.#answering.has(remote.address)) return [here];
    const others = this.#candidates().filter((path) => path.remote.address !== remote.address);
    const remotes = [...others.map(remoteOf), ...(this.#tcp ? [this.#tcp.remote] : [])];
    return [here, ...remotes.map((one) => ({ channel: 'natt', remote: one }) as const)];
  }

  answered({ remote }: Route, now: number): void {
    if (!this.#agreed) return;
    if (this.#tcp && isAt(remote, this.#tcp.remote)) {
      this.#backToTcp('UDP passes no longer', now);
      return;
    }
    this.#answering.add(remote.address);
    if (remote.address === this.#way.remote.address && remote.transport === this.#way.remote.transport) return;
    const path = this.#candidates().find((candidate) => isAt(remote, remoteOf(candidate)));
    if (path) this.#move(path, this.#isOverTcp() ? 'UDP passes' : 'an answer came over another way', now);
  }

  question(sa: IkeSa): readonly Payload[] {
    // RFC 9329 §6.5: over TCP nothing follows from it.
    return this.#agreed && !this.#isOverTcp() ? this.#natDetection(sa.spis) : [];
  }

  lives(payloads: readonly Payload[], now: number, sa: IkeSa): void {
    // The answer to an update that is on its way says it better.
    if (!this.#agreed || !this.#settled || !this.#look(payloads, sa)) return;
    this.#setup.narrator.log('info', 'the gateway sees us at another address: a NAT has changed');
    this.#generation++;
    this.#update(now);
  }

  /** A notify in a request of the gateway. */
  notified(notice: PayloadOf<'N'>, arrival: Route, of: Spis): NotifyTaken | undefined {
    if (!this.#agreed) return undefined;
    switch (notice.type) {
      case NOTIFY.COOKIE2: {
        const copy = copyCookie2(notice);
        return copy && { answer: [copy] };
      }
      // RFC 4555 §3.8: if the request has them, the answer has them.
      case NOTIFY.NAT_DETECTION_SOURCE_IP:
        return { answer: this.#natDetection(of) };
      case NOTIFY.NAT_DETECTION_DESTINATION_IP:
        return {};
      case NOTIFY.NO_NATS_ALLOWED: {
        const expected = noNatsAllowed(arrival.remote, this.#way.local);
        this.#translated = !expected || toHex(expected) !== toHex(notice.data);
        const answer = this.#translated ? [notify(NOTIFY.UNEXPECTED_NAT_DETECTED)] : [];
        return {
          answer,
          after: () => {
            if (this.#listed.length === 0) this.#translated = false;
          },
        };
      }
      case NOTIFY.ADDITIONAL_IP4_ADDRESS:
      case NOTIFY.ADDITIONAL_IP6_ADDRESS:
      case NOTIFY.NO_ADDITIONAL_ADDRESSES:
        this.#listed = [...this.#listed, notice];
        // After the last of them: the list is whole, and what comes after finds it taken.
        return { after: (at) => this.#listedAll(at) };
      default:
        return undefined;
    }
  }

  // --- moving ----------------------------------------------------------------------------------------------------------------------

  #move(path: Path, why: string, now: number): void {
    const { narrator } = this.#setup;
    const local = localOf(path);
    const remote = remoteOf(path);
    if (this.#isOverTcp()) this.#tcp = this.#way;
    this.#path = path;
    this.#generation++;
    this.#retries = 0;
    this.#seen = undefined;
    narrator.log('info', `moving: ${why}`, {
      local: `${local.address}:${local.port}`,
      remote: `${remote.address}:${remote.port}`,
    });
    this.#settled = false;
    // Behind a NAT or not is known when the gateway has answered; a keepalive too many does no harm.
    this.#tell({ local, remote, natLocal: true });
    this.#moveTo(remote, now);
  }

  /** The gateway has not answered from where UDP seemed to pass, and the connection is there still. */
  #backToTcp(why: string, now: number): void {
    const way = this.#tcp;
    if (!way) return;
    this.#tcp = undefined;
    this.#generation++;
    this.#settled = true;
    this.#trials.disappointed(now);
    this.#setup.narrator.log('info', `back to the TCP connection: ${why}`);
    this.#tell(way);
    // It may believe us to be there already.
    this.#moveTo(way.remote, now);
  }

  #tell(way: Way): void {
    this.#way = way;
    this.#setup.emit({ kind: 'moved', ...way, channel: 'natt', settled: this.#settled });
  }

  /** Where the gateway is told something that cannot wait. */
  #told(now: number): readonly IkeSa[] {
    return [this.#setup.before(now), this.#setup.current()].filter((sa) => sa !== undefined);
  }

  #moveTo(remote: Endpoint, now: number): void {
    for (const sa of this.#told(now)) sa.moveTo({ channel: 'natt', remote }, this.#updateRequest(), now);
  }

  #update(now: number): void {
    const toTell = this.#told(now).filter((sa) => this.#toldIn.get(sa) !== this.#generation);
    for (const sa of toTell) sa.request(this.#updateRequest(), now, true);
  }

  #updateRequest(): OutgoingExchange {
    let generation = 0;
    const cookie = this.#setup.random(cookieOctets).slice();
    return {
      exchange: EXCHANGE.INFORMATIONAL,
      latest: true, // it is made of what holds when it is sent
      build: (sa) => {
        generation = this.#generation;
        this.#toldIn.set(sa, generation);
        return [
          notify(NOTIFY.UPDATE_SA_ADDRESSES),
          ...this.#natDetection(sa.spis),
          notify(NOTIFY.COOKIE2, cookie),
          ...this.#announcement(),
        ];
      },
      process: (answer, at, sa) => this.#updated(answer, { sa, cookie, generation }, at),
    };
  }

  #updated(answer: readonly Payload[], { sa, cookie, generation }: Update, now: number): void {
    const { narrator } = this.#setup;
    this.#toldIn.delete(sa);
    const fatal = fatalInResponse(answer);
    if (fatal) {
      this.#setup.current()?.close(fatal);
      return;
    }
    if (!bringsBack(cookie, answer)) {
      // RFC 4555 §3.7: the IKE SA must be closed.
      const failure: IkeFailure = { code: 'protocol', evidence: 'INFORMATIONAL response: COOKIE2 is not the one of the request' };
      this.#setup.current()?.finish([deleteIkeSa()], failure, now);
      return;
    }
    if (generation !== this.#generation) return; // §3.5: another update is on its way
    // One is on its way in the IKE SA that took its place, and the gateway may have gone on to that before it was told here.
    if (!this.#told(now).includes(sa)) return;
    if (findNotify(answer, NOTIFY.UNEXPECTED_NAT_DETECTED) && this.#retries < mostRetries) {
      this.#retries++;
      this.#update(now);
    } else if (findNotify(answer, NOTIFY.UNACCEPTABLE_ADDRESSES) || findNotify(answer, NOTIFY.UNEXPECTED_NAT_DETECTED)) {
      this.#refused = [...this.#refused, this.#path.remote.address];
      narrator.log('warn', 'the gateway does not take these addresses', { remote: this.#path.remote.address });
      const [other] = this.#candidates();
      if (this.#tcp) this.#backToTcp('the gateway refused an address', now);
      else if (other) this.#move(other, 'the gateway refused an address', now);
      else this.#leave('UNACCEPTABLE_ADDRESSES in INFORMATIONAL response', now);
    } else {
      const settles = !this.#settled;
      this.#known = generation;
      this.#settled = true;
      this.#tcp = undefined;
      this.#seen = undefined;
      this.#look(answer, sa, settles);
      narrator.log('info', 'the gateway knows our addresses', { nat: this.#way.natLocal });
    }
  }

  /**
   * Where nothing helps but another IKE SA. The gateway is told from here: RFC 7296 §2.11 has it take requests from another address, and
   * answer there. With this SA goes its hold on our address inside, which the next one asks for.
   */
  #leave(evidence: string, now: number): void {
    for (const sa of this.#told(now)) sa.finish([deleteIkeSa()], { code: 'address-changed', evidence }, now, leaveWithin);
  }

  #candidates(): readonly Path[] {
    return this.#paths.filter(({ remote }) => !this.#refused.includes(remote.address));
  }

  // --- from TCP to UDP -------------------------------------------------------------------------------------------------------------

  #isOverTcp(): boolean {
    return this.#way.remote.transport === 'tcp';
  }

  #changedOverTcp(paths: readonly Path[], now: number): void {
    this.#paths = paths;
    this.#refused = [];
    if (paths.length === 0) this.#trials.none();
    else this.#trials.news(now);
    this.tick(now);
  }

  get deadline(): number {
    return this.#isOverTcp() ? this.#trials.deadline : Infinity;
  }

  tick(now: number): void {
    if (!this.#isOverTcp() || !this.#trials.due(now) || this.#trialQueued) return;
    const sa = this.#setup.current();
    if (sa?.state !== 'established' || this.#candidates().length === 0) return;
    this.#trialQueued = true;
    sa.tryWays(() => {
      this.#trialQueued = false;
      return this.#isOverTcp() ? this.#candidates().map((path) => ({ channel: 'natt', remote: remoteOf(path) }) as const) : [];
    }, now);
  }

  // --- what the gateway sees -------------------------------------------------------------------------------------------------------

  #natDetection(spis: Spis): readonly Payload[] {
    const { disguise, random } = this.#setup;
    const { local, remote } = this.#way;
    const hidden = disguise && !this.#isOverTcp();
    return natDetection(spis, local, remote, hidden ? random(natHashOctets).slice() : undefined);
  }

  /**
   * True when the gateway sees us elsewhere than before, or may: behind a NAT, when there is nothing to compare with, as after a rekeying
   * of the IKE SA, it is told once more. Whether there is a NAT is learnt, and told `evenSame`.
   */
  #look(answer: readonly Payload[], { spis }: IkeSa, evenSame = false): boolean {
    // RFC 9329 §6.5, §6.6: to a TCP connection a NAT makes no difference, and its port is another one with each connection.
    if (this.#isOverTcp()) return false;
    const destination = findNotify(answer, NOTIFY.NAT_DETECTION_DESTINATION_IP);
    const found = destination && detectNat(spis, answer, this.#way.local, this.#way.remote);
    const natLocal = found ? found.local : this.#way.natLocal;
    if (evenSame || natLocal !== this.#way.natLocal) this.#tell({ ...this.#way, natLocal });
    if (!destination) return false;
    const before = this.#seen;
    // RFC 4555 §3.8: the hash is made with the SPIs, which a rekeying changes.
    this.#seen = { spis: toHex(spis.spiI) + toHex(spis.spiR), hash: toHex(destination.data) };
    if (before?.spis !== this.#seen.spis) return natLocal;
    return before.hash !== this.#seen.hash;
  }

  // --- addresses besides the one in use --------------------------------------------------------------------------------------------

  /** Behind a NAT nobody could reach us at them (§3.4), and they are nobody's business. */
  #ours(): readonly string[] {
    if (this.#way.natLocal) return [];
    const others = this.#paths.map(({ local }) => local.address).filter((address) => address !== this.#way.local.address);
    return [...new Set(others)];
  }

  #announcement(): readonly Payload[] {
    const ours = this.#ours();
    const had = this.#announced.length > 0;
    this.#announced = ours;
    return additionalAddresses(ours, had);
  }

  /** §3.6: the list changed, and nothing else. */
  #announce(now: number): void {
    const ours = this.#ours();
    if (ours.length === this.#announced.length && ours.every((address) => this.#announced.includes(address))) return;
    // What waits is made of what holds when it is sent.
    const sa = this.#setup.current();
    if (this.#announcing || !sa) return;
    this.#announcing = true;
    const exchange: OutgoingExchange = {
      exchange: EXCHANGE.INFORMATIONAL,
      build: () => {
        this.#announcing = false;
        return this.#announcement();
      },
      process: (answer) => {
        const fatal = fatalInResponse(answer);
        if (fatal) sa.close(fatal);
      },
    };
    sa.request(exchange, now);
  }

  #listedAll(now: number): void {
    if (this.#listed.length === 0) return;
    const listed = this.#listed;
    const { narrator, emit, current } = this.#setup;
    const translated = this.#translated;
    this.#listed = [];
    this.#translated = false;
    if (translated) return;
    const addresses = readAllAdditional(listed) ?? [];
    narrator.log('info', 'the gateway has other addresses now', { addresses: addresses.join(' ') });
    emit({ kind: 'peer-addresses', addresses });
    // §3.5: perhaps because the one in use is none of them any more.
    current()?.checkLiveness(now);
  }
}

function localOf({ local }: Path): Endpoint {
  return { address: local.address, port: local.ports.natt };
}

function remoteOf({ remote }: Path): Endpoint {
  return { address: remote.address, port: remote.ports.natt };
}

function isSame(a: Path, b: Path): boolean {
  return a.local.address === b.local.address && a.remote.address === b.remote.address;
}

function isAt(a: Endpoint, b: Endpoint): boolean {
  return a.address === b.address && a.port === b.port && a.transport === b.transport;
}
