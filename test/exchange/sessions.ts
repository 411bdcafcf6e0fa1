/**
 * Two sessions face to face, each message in the hand of the test: what crosses is written down as what is carried when. The one who
 * connected is `initiator`; either may start what is tested.
 */
import assert from 'node:assert/strict';
import { toHex } from '../../core/bytes/bytes.ts';
import { deriveIkeKeys } from '../../core/ike/keys/ikeKeys.ts';
import { childSuite, ikeSuite } from '../../core/ike/negotiation.ts';
import type { ChildSa, IkeOutput, IkeSaFacts } from '../../core/ike/sa/contract.ts';
import { defaultLifetimes, type Lifetimes } from '../../core/ike/sa/lifetimes.ts';
import { Narrator } from '../../core/ike/sa/narrator.ts';
import { Session } from '../../core/ike/sa/session.ts';
import type { TrafficSelector } from '../../core/ike/wire/message.ts';
import { parseMessage } from '../../core/ike/wire/parse.ts';
import { selector } from '../gateway/fixtures.ts';
import { clientAt, gatewayAt, proposals, seededRandom, timing } from './world.ts';

export type Who = 'initiator' | 'responder';
export const both: readonly Who[] = ['initiator', 'responder'];
export const otherOf = (who: Who): Who => (who === 'initiator' ? 'responder' : 'initiator');

const fill = (value: number, length: number) => new Uint8Array(length).fill(value);
const spis = { spiI: fill(1, 8), spiR: fill(2, 8) };

/** SPIs, suite and keys of the IKE SA that both begin with. */
export function firstIkeSa() {
  const suite = ikeSuite({ ...proposals('ike', 'aes128-sha256-x25519')[0] });
  assert.ok(suite);
  return { ...spis, suite, keys: deriveIkeKeys(suite, fill(3, 32), { ni: fill(4, 32), nr: fill(5, 32) }, spis) };
}
const laptop = [selector('10.7.0.5/32')];
const office = [selector('10.10.0.0/16')];
const never = { soft: Number.POSITIVE_INFINITY, hard: Number.POSITIVE_INFINITY };

/** Nothing is rekeyed that the test does not rekey. */
export const unlimited: Lifetimes = { ...defaultLifetimes, ike: never, child: never };

export interface SideOptions {
  readonly ike?: string;
  readonly esp?: string;
  readonly lifetimes?: Lifetimes;
  /** First octets of the arrays of 32 that it draws, nonces among them; the others are of a seed. */
  readonly draws?: readonly (number | undefined)[];
  readonly closeWithoutChild?: boolean;
}

/** What a dataplane would have of one CHILD SA. */
interface Carried {
  readonly child: ChildSa;
  readonly keys: string;
  standby: boolean;
}

export class Side {
  readonly who: Who;
  readonly session: Session;
  readonly outbox: Uint8Array[] = [];
  readonly said: IkeOutput[] = [];
  /** SAs that send and receive, by inbound SPI; those in their grace receive only. */
  readonly living = new Map<number, Carried>();
  /** SAs that were removed with grace. */
  readonly leaving = new Map<number, Carried>();
  closed = false;

  constructor(who: Who, options: SideOptions) {
    this.who = who;
    const { ike = 'aes128-sha256-x25519-ecp256', esp = 'aes128gcm16', draws = [], lifetimes = unlimited } = options;
    const seeded = seededRandom(who);
    let spi = who === 'initiator' ? 0x1000 : 0x2000;
    let drawn = 0;
    const random = (length: number): Uint8Array => {
      const octets = seeded(length).slice();
      const first = length === 32 ? draws[drawn++] : undefined;
      if (first !== undefined) octets[0] = first;
      return octets;
    };
    const emit = (output: IkeOutput): void => this.#hear(output);
    const [here, there] = who === 'initiator' ? [clientAt('natt'), gatewayAt('natt')] : [gatewayAt('natt'), clientAt('natt')];
    this.session = new Session({
      ...{ timing, lifetimes, random, emit, keyLog: false, version: who, followPeer: false },
      ikeProposals: proposals('ike', ike),
      espProposals: proposals('esp', esp),
      closeWithoutChild: options.closeWithoutChild ?? false,
      path: () => ({ local: here, remote: there, keepalive: false }),
      admit: () => this.selectors,
      newSpiIn: () => ++spi,
    });
    const sa = this.session.open({
      role: who,
      ...firstIkeSa(),
      ...{ channel: 'natt', remote: there, nextRequestId: 0, expectedRequestId: 0, handlers: {}, fragmentSize: undefined },
      narrator: new Narrator(emit),
    });
    sa.authenticated(0);
    const facts: IkeSaFacts = {
      ...{ role: who, spiI: toHex(spis.spiI), spiR: toHex(spis.spiR), ...sa.suite, local: here, remote: there },
      ...{ localIdentity: who, remoteIdentity: otherOf(who), natLocal: false, natRemote: false, peerVendorIds: [] },
    };
    this.session.established(facts, 0);
  }

  get selectors(): { readonly local: readonly TrafficSelector[]; readonly remote: readonly TrafficSelector[] } {
    return this.who === 'initiator' ? { local: laptop, remote: office } : { local: office, remote: laptop };
  }

  /** The CHILD SA of that number, which the other side has too. */
  addChild(number: number): void {
    const suite = childSuite(proposals('esp', 'aes128gcm16')[0]);
    assert.ok(suite);
    const keys = (value: number) => ({ encryption: fill(value, 20), integrity: new Uint8Array(0) });
    const mine = this.who === 'initiator' ? 1 : 2;
    const { local, remote } = this.selectors;
    const at = { local: clientAt('natt'), remote: gatewayAt('natt'), keepalive: false };
    const spi = { spiIn: mine * 0x10000 + number, spiOut: (3 - mine) * 0x10000 + number };
    const material = { keysIn: keys(mine), keysOut: keys(3 - mine), localSelectors: local, remoteSelectors: remote };
    this.session.addChild({ ...spi, ...suite, ...material, ...at }, 0);
  }

  /** Kinds of the payloads of all messages sent, in order: `CREATE_CHILD_SA request: N(REKEY_SA) SA NONCE TSi TSr`. */
  get sent(): readonly string[] {
    return this.said.flatMap((one) =>
      one.kind === 'log' && one.text.startsWith('sent ') ? [`${one.text.slice(5)}: ${one.fields?.payloads ?? ''}`] : [],
    );
  }

  outputs<K extends IkeOutput['kind']>(kind: K): Extract<IkeOutput, { kind: K }>[] {
    return this.said.filter((one): one is Extract<IkeOutput, { kind: K }> => one.kind === kind);
  }

  #hear(output: IkeOutput): void {
    assert.equal(this.closed, false, `${this.who} says ${output.kind} after its end`);
    this.said.push(output);
    if (output.kind === 'transmit') this.outbox.push(output.bytes);
    else if (output.kind === 'closed') this.closed = true;
    else if (output.kind === 'install-child') this.#install(output);
    else if (output.kind === 'remove-child') this.#remove(output.spiIn, output.grace);
  }

  #install({ child, standby }: Extract<IkeOutput, { kind: 'install-child' }>): void {
    const { keysIn, keysOut } = child;
    const keys = [keysIn, keysOut].map(({ encryption }) => toHex(encryption)).join(' ');
    this.living.set(child.spiIn, { child, keys, standby: standby === true });
  }

  #remove(spiIn: number, grace: number | undefined): void {
    const gone = this.living.get(spiIn);
    assert.ok(gone, `${this.who} removes ${spiIn.toString(16)}, which is not there`);
    this.living.delete(spiIn);
    if (grace !== undefined) this.leaving.set(spiIn, gone);
    for (const one of this.living.values()) one.standby = false;
  }
}

export class Two {
  readonly initiator: Side;
  readonly responder: Side;
  now = 1;

  constructor(options: Partial<Record<Who, SideOptions>> & { readonly children?: number } = {}) {
    this.initiator = new Side('initiator', options.initiator ?? {});
    this.responder = new Side('responder', options.responder ?? {});
    for (let i = 1; i <= (options.children ?? 1); i++) this.#firstChild(i);
  }

  side(who: Who): Side {
    return this[who];
  }

  /** SPIs (inbound of the one who connected) of the CHILD SAs that both have. */
  get children(): readonly number[] {
    return [...this.initiator.living.keys()];
  }

  /** Inbound SPI of the nth CHILD SA, on the side of `who`. */
  spiIn(who: Who, index = 0): number {
    const spi = [...this.side(who).living.keys()][index];
    assert.ok(spi !== undefined);
    return spi;
  }

  rekeyChild(who: Who, index = 0): void {
    this.side(who).session.rekeyChild(this.spiIn(who, index), this.now);
  }

  rekeyIke(who: Who): void {
    this.side(who).session.rekeyIke(this.now);
  }

  deleteChild(who: Who, index = 0): void {
    this.side(who).session.current?.deleteChild(this.spiIn(who, index), this.now);
  }

  /** Delivers the oldest message of one side to the other, or its copy. */
  carry(from: Who, keep = false): void {
    const { outbox } = this.side(from);
    const bytes = keep ? outbox[0] : outbox.shift();
    assert.ok(bytes, `${from} has sent nothing`);
    this.deliver(from, bytes);
  }

  deliver(from: Who, bytes: Uint8Array): void {
    const parsed = parseMessage(bytes.slice());
    assert.ok(parsed.ok);
    const at = from === 'initiator' ? clientAt('natt') : gatewayAt('natt');
    this.side(otherOf(from)).session.receive(parsed.value, bytes, 'natt', at, this.now);
  }

  /** Takes the oldest message of one side out of the world. */
  take(from: Who): Uint8Array {
    const bytes = this.side(from).outbox.shift();
    assert.ok(bytes, `${from} has sent nothing`);
    return bytes;
  }

  /** Carries everything until nobody says anything more. */
  settle(): void {
    for (let i = 0; i < 1_000; i++) {
      const from = both.find((who) => this.side(who).outbox.length > 0);
      if (from === undefined) return;
      this.now += 1;
      this.carry(from);
    }
    assert.fail('they talk without end');
  }

  /** Lets time pass, and carries everything. */
  pass(milliseconds: number): void {
    const end = this.now + milliseconds;
    for (let i = 0; i < 100_000; i++) {
      this.settle();
      const due = Math.min(...both.map((who) => this.side(who).session.deadline() ?? Number.POSITIVE_INFINITY));
      if (due > end) {
        this.now = Math.max(this.now, end);
        return;
      }
      this.now = Math.max(this.now, due);
      for (const who of both) this.side(who).session.tick(this.now);
    }
    assert.fail('time does not pass');
  }

  /** Both have the same CHILD SAs with the same keys, so many, in one IKE SA, and it works. */
  agree(count: number): void {
    for (const who of both) {
      const mine = this.side(who);
      const theirs = this.side(otherOf(who));
      assert.equal(mine.living.size, count, `CHILD SAs of the ${who}: ${[...mine.living.keys()].map((spi) => spi.toString(16))}`);
      for (const carried of mine.living.values()) {
        const { child, keys } = carried;
        const pair = theirs.living.get(child.spiOut);
        assert.ok(pair, `the ${otherOf(who)} has no ${child.spiOut.toString(16)}`);
        // One more for the same traffic is used with the first packet that the other sends on it.
        if (count > 1 && !pair.standby) carried.standby = false;
        assert.equal(pair.child.spiOut, child.spiIn);
        assert.equal(pair.keys, keys.split(' ').reverse().join(' '), 'the keys are the same');
        assert.equal(carried.standby, false, 'it sends');
      }
    }
    const [a, b] = both.map((who) => this.side(who).session.current);
    assert.ok(a && b);
    assert.deepEqual([toHex(a.spis.spiI), toHex(a.spis.spiR)], [toHex(b.spis.spiI), toHex(b.spis.spiR)]);
    for (const who of both) {
      const before = this.side(otherOf(who)).sent.length;
      this.side(who).session.checkLiveness(this.now);
      this.settle();
      assert.equal(this.side(otherOf(who)).sent.length, before + 1, `the ${otherOf(who)} answers`);
    }
  }

  #firstChild(number: number): void {
    for (const who of both) this.side(who).addChild(number);
  }
}
