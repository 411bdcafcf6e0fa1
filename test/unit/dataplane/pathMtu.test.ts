import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type InnerMtu, type MtuReason, PathMtu, type PathMtuOptions } from '../../../core/dataplane/pathMtu.ts';
import { espShape, largestInner, outerSize } from '../../../core/esp/size.ts';
import { suiteOf } from '../esp/suites.ts';
import { ipv6Destination, ipv6Source } from '../ip/judge.ts';

const gcm = shapeOf('aes256gcm16');
const route = { source: Uint8Array.of(10, 0, 0, 1), target: Uint8Array.of(10, 1, 2, 3) };
const route6 = { source: Uint8Array.from(ipv6Source), target: Uint8Array.from(ipv6Destination) };
const minutes = 60_000;

function shapeOf(suite: string) {
  const { encr, integ } = suiteOf(suite);
  return espShape(encr, integ);
}

interface Change {
  readonly at: number;
  readonly inner: number;
  readonly because: MtuReason;
  readonly fragmentOutside: boolean;
}

/** A network on a virtual clock: what is sent is answered after the round trip if it fits and somebody is there. */
class World {
  now = 1000;
  /** The largest outer packet that arrives. */
  path = 1500;
  roundTrip = 20;
  /** Who answers, by the last octet of the address. */
  answering = [2, 3];
  /** The largest echo that the target answers. */
  echoes = 65_535;
  /** Whether the nth packet sent is lost, from 0. */
  loses: (index: number) => boolean = () => false;
  busy = true;
  wakeUps = 0;
  readonly machine: PathMtu;
  readonly sent: { readonly at: number; readonly octets: number; readonly target: number }[] = [];
  readonly changes: Change[] = [];
  readonly #options: PathMtuOptions;
  #family: 4 | 6;
  #underWay: { readonly at: number; readonly packet: Uint8Array }[] = [];
  #seed = 1;

  constructor(options: Partial<PathMtuOptions> = {}) {
    this.#options = {
      configured: 1400,
      path: { family: 4 },
      shape: gcm,
      random: (length) => Uint8Array.from({ length }, () => (this.#seed = (this.#seed * 75 + 74) % 65_537)),
      ...options,
    };
    this.#family = this.#options.path.family;
    this.machine = new PathMtu(this.#options);
  }

  do(act: (machine: PathMtu, now: number) => void): this {
    act(this.machine, this.now);
    this.#drain();
    return this;
  }

  /** Lets time pass, with what it brings in its order. */
  pass(milliseconds: number): this {
    const end = this.now + milliseconds;
    for (;;) {
      const arrival = Math.min(...this.#underWay.map(({ at }) => at));
      const due = Math.max(this.now, this.machine.deadline() ?? Number.POSITIVE_INFINITY);
      const next = Math.min(arrival, due);
      if (next > end) break;
      this.now = next;
      if (arrival <= due) {
        const index = this.#underWay.findIndex(({ at }) => at === arrival);
        const [{ packet }] = this.#underWay.splice(index, 1);
        this.machine.answer(packet, 0, packet.length, this.now);
      } else {
        this.wakeUps++;
        assert.ok(this.wakeUps < 10_000, 'it spins');
        this.machine.tick(this.now, this.busy);
      }
      this.#drain();
    }
    this.now = end;
    return this;
  }

  get inner(): number {
    return this.machine.mtu.inner;
  }

  #drain(): void {
    for (let action = this.machine.poll(); action !== undefined; action = this.machine.poll()) {
      if (action.kind === 'probe') this.#carry(action.packet);
      else this.#note(action.mtu, action.because);
    }
  }

  #note(mtu: InnerMtu, because: MtuReason): void {
    assert.deepEqual(mtu, this.machine.mtu);
    const { inner, fragmentOutside } = mtu;
    this.changes.push({ at: this.now, inner, because, fragmentOutside });
  }

  #carry(packet: Uint8Array): void {
    const version4 = packet[0] >>> 4 === 4;
    const index = this.sent.length;
    const target = packet[version4 ? 19 : 39];
    this.sent.push({ at: this.now, octets: packet.length, target });
    if (this.loses(index) || !this.answering.includes(target) || packet.length > this.echoes) return;
    if (outerSize(this.#options.shape, this.#family, packet.length) > this.path) return;
    this.#underWay.push({ at: this.now + this.roundTrip, packet: answerTo(packet) });
  }
}

/** What the target sends back; checksums are not looked at here. */
function answerTo(packet: Uint8Array): Uint8Array {
  const out = packet.slice();
  const [from, size, header, type] = packet[0] >>> 4 === 4 ? [12, 4, 20, 0] : [8, 16, 40, 129];
  out.copyWithin(from, from + size, from + 2 * size);
  out.set(packet.subarray(from, from + size), from + size);
  out[header] = type;
  return out;
}

const kinds = (world: World): string[] => world.changes.map(({ because }) => because);
const probe = (world: World): World => world.do((machine, now) => machine.probeThrough([route], now));

test('what holds at first: the configured size, the interface, the suite; no packet and no wake-up', () => {
  assert.deepEqual(new World().machine.mtu, { inner: 1400, outer: 1464, fragmentOutside: false });
  assert.equal(new World({ path: { family: 4, interfaceMtu: 1420 } }).inner, largestInner(gcm, 4, 1420));
  assert.equal(new World({ path: { family: 6, interfaceMtu: 1420 } }).inner, largestInner(gcm, 6, 1420));
  assert.equal(new World({ configured: 1500 }).inner, 1438);
  assert.equal(
    new World({ configured: 1500, shape: shapeOf('aes256-sha512') }).inner,
    largestInner(shapeOf('aes256-sha512'), 4, 1500),
  );
  const world = new World();
  assert.equal(world.machine.deadline(), undefined);
  world.pass(60 * minutes);
  assert.deepEqual([world.wakeUps, world.sent.length], [0, 0]);
});

test('RFC 8899: a path that carries all is found to do so in two round trips, then three packets every ten minutes while busy', () => {
  const world = probe(new World()).pass(1000);
  assert.deepEqual(
    world.sent.map(({ octets }) => octets),
    [64, 1400, 64],
  );
  assert.deepEqual(world.changes, []);
  world.pass(10 * minutes - 1000).pass(1000);
  assert.equal(world.sent.length, 6);
  world.busy = false;
  world.wakeUps = 0;
  world.pass(60 * minutes);
  assert.equal(world.sent.length, 6);
  assert.ok(world.wakeUps <= 6, 'one wake-up every ten minutes at most');
});

test('a black hole is found in seconds and the MTU is what the path carries, for both versions outside and inside', () => {
  for (const family of [4, 6] as const) {
    for (const inside of [route, route6]) {
      for (const path of [1390, 1400, 1420, 1428, 1436, 1452, 1460]) {
        const world = new World({ path: { family } });
        world.path = path;
        world.do((machine, now) => machine.probeThrough([inside], now)).pass(5000);
        const carried = largestInner(gcm, family, path);
        assert.equal(world.changes[0].because, 'black-hole', `IPv${family}, ${path}`);
        assert.ok(world.changes[0].at < 1000 + 3100 + 1000, 'in three seconds');
        world.pass(60_000);
        assert.ok(world.inner <= carried && carried - world.inner < 8, `IPv${family}, ${path}: ${world.inner} of ${carried}`);
        // Never more than was answered, and never one that dies.
        for (const { inner } of world.changes) assert.ok(outerSize(gcm, family, inner) <= path);
        assert.ok(world.sent.length < 60, `${world.sent.length} packets`);
      }
    }
  }
});

test('no more than two packets a second on average while anything is lost', () => {
  const world = new World();
  world.path = 1422;
  probe(world).pass(5 * minutes);
  for (let i = 0; i + 40 < world.sent.length; i++) {
    assert.ok(world.sent[i + 40].at - world.sent[i].at >= 5000, 'a flood of probes');
  }
});

test('a target that is silent: three small packets, nothing concluded, nothing changed; asked again in ten minutes', () => {
  const world = new World();
  world.answering = [];
  probe(world).pass(9 * minutes);
  assert.deepEqual(
    world.sent.map(({ octets }) => octets),
    [64, 64, 64],
  );
  assert.deepEqual(world.changes, []);
  world.pass(2 * minutes);
  assert.equal(world.sent.length, 6);
});

test('the first of several that answers is asked, and no more than four are tried', () => {
  const world = new World();
  world.answering = [7];
  const to = (last: number) => ({ ...route, target: Uint8Array.of(10, 1, 2, last) });
  world.do((machine, now) => machine.probeThrough([to(5), to(6), to(7), to(8), to(9)], now)).pass(60_000);
  assert.deepEqual(
    world.sent.map(({ target }) => target),
    [5, 5, 5, 6, 6, 6, 7, 7, 7],
  );
  const other = new World();
  other.answering = [9];
  other.do((machine, now) => machine.probeThrough([to(5), to(6), to(7), to(8), to(9)], now)).pass(60_000);
  assert.equal(other.sent.length, 12);
  // The next search begins with the likeliest again.
  world.answering = [5, 7];
  world.pass(11 * minutes);
  assert.deepEqual(
    world.sent.slice(9).map(({ target }) => target),
    [5, 5, 5],
  );
});

test('a target that answers only small echoes changes nothing', () => {
  for (const echoes of [64, 128, 512, 1000, 1217]) {
    const world = new World();
    world.echoes = echoes;
    probe(world).pass(60 * minutes);
    assert.deepEqual(world.changes, [], `${echoes}`);
    assert.equal(world.inner, 1400);
  }
});

test('losses that have nothing to do with the size change nothing', () => {
  // A target that falls silent in the middle, a burst of loss, and every other large packet lost.
  const silent = new World();
  silent.loses = (index) => index > 0;
  probe(silent).pass(9 * minutes);
  assert.deepEqual(silent.changes, []);
  const burst = new World();
  burst.loses = (index) => index >= 1 && index <= 4;
  probe(burst).pass(9 * minutes);
  assert.deepEqual(burst.changes, []);
  const twice = new World();
  twice.loses = (index) => twice.sent[index].octets === 1400 && index < 4;
  probe(twice).pass(9 * minutes);
  assert.deepEqual(twice.changes, []);
});

test('a path with a long round trip is given time', () => {
  for (const roundTrip of [900, 1500, 2500]) {
    const world = new World();
    world.roundTrip = roundTrip;
    probe(world).pass(5 * minutes);
    assert.deepEqual(world.changes, []);
    assert.ok(world.sent.length < 14, `${world.sent.length} packets`);
  }
});

test('a black hole below the base is believed only with evidence', () => {
  const world = new World();
  world.path = 1100;
  probe(world).pass(9 * minutes);
  assert.deepEqual(world.changes, []);
  world.do((machine, now) => machine.suspect(now, true)).pass(2 * minutes);
  const carried = largestInner(gcm, 4, 1100);
  assert.equal(kinds(world)[0], 'black-hole');
  assert.ok(world.inner <= carried && carried - world.inner < 8, `${world.inner} of ${carried}`);
});

test('a path that becomes small later is found by suspicion at once and by itself in ten minutes; one that grows is used again', () => {
  const world = probe(new World()).pass(60_000);
  world.path = 1400;
  world.do((machine, now) => machine.suspect(now, true)).pass(60_000);
  assert.equal(kinds(world)[0], 'black-hole');
  const small = world.inner;
  assert.ok(small <= largestInner(gcm, 4, 1400));
  world.path = 1500;
  world.pass(11 * minutes);
  assert.equal(world.inner, 1400);
  assert.equal(kinds(world).at(-1), 'proven');
  world.path = 1400;
  world.pass(11 * minutes);
  assert.equal(world.inner, small);
});

test('suspicion is followed once a minute at most', () => {
  const world = probe(new World()).pass(10_000);
  const before = world.sent.length;
  for (let i = 0; i < 300; i++) world.do((machine, now) => machine.suspect(now, true)).pass(100);
  assert.equal(world.sent.length, before + 3);
  for (let i = 0; i < 400; i++) world.do((machine, now) => machine.suspect(now, true)).pass(100);
  assert.equal(world.sent.length, before + 6);
});

test('a look for no reason, once a minute too, does not put off one for a reason', () => {
  const world = probe(new World()).pass(10_000);
  const before = world.sent.length;
  for (let i = 0; i < 300; i++) world.do((machine, now) => machine.suspect(now, false)).pass(100);
  assert.equal(world.sent.length, before + 3);
  world.path = 1400;
  world.do((machine, now) => machine.suspect(now, true)).pass(10_000);
  assert.equal(kinds(world)[0], 'black-hole');
});

test('RFC 1191 §5: a router that says no number is a reason to look, and a step down the plateaus where nobody can be asked', () => {
  const asked = probe(new World()).pass(10_000);
  asked.path = 1400;
  asked.do((machine, now) => machine.reported(0, now)).pass(10_000);
  assert.equal(kinds(asked)[0], 'black-hole');
  assert.ok(asked.inner <= largestInner(gcm, 4, 1400) && asked.inner > largestInner(gcm, 4, 1300));
  const alone = new World();
  for (const outer of [1006, 576, 576]) {
    alone.do((machine, now) => machine.reported(0, now));
    assert.equal(alone.inner, largestInner(gcm, 4, outer));
  }
  assert.equal(alone.machine.mtu.fragmentOutside, false);
});

test('a report that is in force when somebody can be asked is checked then', () => {
  const world = new World().do((machine, now) => machine.reported(68, now));
  assert.deepEqual(world.machine.mtu, { inner: 514, outer: 576, fragmentOutside: true });
  probe(world).pass(1000);
  assert.deepEqual([world.inner, world.machine.mtu.fragmentOutside], [1400, false]);
  assert.deepEqual(kinds(world), ['reported', 'proven']);
});

test('RFC 1191: a report is believed at once, checked, and tried again after ten minutes', () => {
  const world = probe(new World()).pass(10_000);
  world.path = 1400;
  world.do((machine, now) => machine.reported(1400, now));
  assert.deepEqual(world.machine.mtu, { inner: 1338, outer: 1400, fragmentOutside: false });
  assert.deepEqual(kinds(world), ['reported']);
  world.pass(5 * minutes);
  assert.equal(world.inner, 1338, 'the check of the old size died');
  world.path = 1500;
  world.pass(6 * minutes);
  assert.equal(world.inner, 1400);
});

test('RFC 1191 §6.3: with nobody to ask, a report is forgotten after ten minutes', () => {
  const world = new World().do((machine, now) => machine.reported(1300, now));
  assert.equal(world.inner, 1238);
  world.pass(10 * minutes - 1);
  assert.equal(world.inner, 1238);
  // Said again: ten minutes from now.
  world.do((machine, now) => machine.reported(1300, now)).pass(9 * minutes);
  assert.equal(world.inner, 1238);
  world.pass(minutes);
  assert.equal(world.inner, 1400);
  assert.deepEqual(kinds(world), ['reported', 'aged']);
  assert.equal(world.machine.deadline(), undefined);
});

test('a report that is a lie is found out in a round trip, and for ten minutes others are checked first', () => {
  const world = probe(new World()).pass(10_000);
  world.do((machine, now) => machine.reported(600, now));
  assert.equal(world.inner, 538);
  world.pass(100);
  assert.equal(world.inner, 1400);
  assert.deepEqual(kinds(world), ['reported', 'proven']);
  // A flood of forged reports: nothing changes, and few packets are sent.
  const before = world.sent.length;
  for (let i = 0; i < 1000; i++) world.do((machine, now) => machine.reported(600 + (i % 700), now)).pass(50);
  assert.deepEqual(kinds(world), ['reported', 'proven']);
  assert.ok(world.sent.length - before <= 3 * 11, `${world.sent.length - before} packets`);
  // One that is true is believed once the packets die.
  world.pass(10_000);
  world.path = 1300;
  world.do((machine, now) => machine.reported(1300, now)).pass(4000);
  assert.equal(world.inner, 1238);
});

test('a flood of forged reports before any was found out: the old size comes back', () => {
  const world = probe(new World()).pass(10_000);
  for (let mtu = 1463; mtu > 500; mtu--) world.do((machine, now) => machine.reported(mtu, now));
  assert.equal(world.inner, 514);
  world.pass(100);
  assert.equal(world.inner, 1400);
});

test('what cannot be checked any more is believed', () => {
  const world = probe(new World()).pass(10_000);
  world.do((machine, now) => machine.reported(600, now)).pass(1000);
  assert.equal(world.inner, 1400);
  world.answering = [];
  world
    .pass(10_000)
    .do((machine, now) => machine.reported(1300, now))
    .pass(10_000);
  assert.equal(world.inner, 1238);
  // And forgotten, as where there never was anybody to ask.
  world.pass(10 * minutes);
  assert.equal(world.inner, 1400);
});

test('a suspicion does not end the check of a report', () => {
  const world = probe(new World()).pass(10_000);
  world.do((machine, now) => machine.reported(600, now)).do((machine, now) => machine.suspect(now, true));
  assert.equal(world.sent.length, 4, 'one small echo, no second one');
  world.pass(100);
  assert.equal(world.inner, 1400);
  assert.deepEqual(kinds(world), ['reported', 'proven']);
});

test('floors: 576 outside, below which packets are fragmented outside; 1280 for IPv6, below which a report is none', () => {
  const world = new World().do((machine, now) => machine.reported(576, now));
  assert.deepEqual(world.machine.mtu, { inner: 514, outer: 576, fragmentOutside: false });
  world.do((machine, now) => machine.reported(300, now));
  assert.deepEqual(world.machine.mtu, { inner: 514, outer: 576, fragmentOutside: true });
  for (const outer of [1, 67]) world.do((machine, now) => machine.reported(outer, now));
  assert.equal(world.changes.length, 2);
  const six = new World({ path: { family: 6 } }).do((machine, now) => machine.reported(1279, now));
  assert.deepEqual(six.changes, []);
  six.do((machine, now) => machine.reported(1280, now));
  assert.deepEqual(six.machine.mtu, { inner: 1198, outer: 1280, fragmentOutside: false });
});

test('a report never raises, and one that changes nothing says nothing', () => {
  const world = new World();
  for (const outer of [65_535, 1500, 1464]) world.do((machine, now) => machine.reported(outer, now));
  assert.deepEqual(world.changes, []);
  assert.equal(world.machine.deadline(), undefined);
  world.do((machine, now) => machine.reported(1300, now)).do((machine, now) => machine.reported(1350, now));
  assert.equal(world.inner, 1238);
});

test('another path is learned anew; another suite keeps what was learned', () => {
  const world = new World();
  world.path = 1400;
  probe(world).pass(60_000);
  const { inner } = world.machine.mtu;
  world.do((machine, now) => machine.change({ shape: gcm }, now));
  assert.equal(world.inner, inner);
  const other = shapeOf('aes256-sha512');
  world.do((machine, now) => machine.change({ shape: other }, now));
  assert.ok(world.inner < inner && world.machine.mtu.outer <= 1400);
  world.do((machine, now) => machine.change({ shape: gcm }, now));
  world.path = 1500;
  world.do((machine, now) => machine.change({ path: { family: 4, interfaceMtu: 1480 } }, now));
  assert.equal(world.inner, 1400);
  world.pass(60_000);
  assert.equal(world.inner, 1400);
  world.do((machine, now) => machine.change({ configured: 1300 }, now));
  assert.equal(world.inner, 1300);
  // A new path is no evidence of a black hole below the base.
  world.path = 1100;
  world.do((machine, now) => machine.change({ path: { family: 4 } }, now)).pass(60_000);
  assert.equal(world.inner, 1300);
});

test('answers that are late, doubled or of somebody else change nothing', () => {
  const packets: Uint8Array[] = [];
  const options = {
    configured: 1400,
    path: { family: 4 as const },
    shape: gcm,
    random: (length: number) => new Uint8Array(length).fill(7),
  };
  const machine = new PathMtu(options);
  const drain = (): void => {
    for (let action = machine.poll(); action !== undefined; action = machine.poll()) {
      if (action.kind === 'probe') packets.push(action.packet);
    }
  };
  const give = (packet: Uint8Array): boolean => {
    const taken = machine.answer(packet, 0, packet.length, 1010);
    drain();
    return taken;
  };
  machine.probeThrough([route], 1000);
  drain();
  const first = answerTo(packets[0]);
  const wrong = [0, 1, 12, 16, 20, 24, 26, 28, 35, 36, 43].map((at) => {
    const packet = first.slice();
    packet[at] ^= 0x20;
    return packet;
  });
  for (const packet of [...wrong.filter((_, i) => i !== 1), packets[0], new Uint8Array(0), new Uint8Array(64)])
    assert.equal(give(packet), false);
  assert.equal(packets.length, 1);
  assert.equal(give(first), true);
  assert.equal(packets.length, 3);
  assert.equal(give(first), false, 'doubled');
  assert.equal(give(answerTo(packets[1])), true);
  assert.equal(give(answerTo(packets[2])), false, 'late: the size is decided');
  assert.equal(packets.length, 3);
  machine.probeThrough([route], 2000);
  machine.probeThrough([], 2000);
  drain();
  assert.equal(give(answerTo(packets[3])), false, 'nobody asks any more');
});

test('no route any more: nothing is sent and nobody woken', () => {
  const world = probe(new World());
  world.do((machine, now) => machine.probeThrough([], now)).pass(60 * minutes);
  assert.equal(world.sent.length, 1);
  assert.equal(world.wakeUps, 0);
  // Also once a search was over.
  probe(world).pass(1000);
  const before = world.sent.length;
  world.do((machine, now) => machine.probeThrough([], now));
  assert.equal(world.machine.deadline(), undefined);
  world.pass(60 * minutes);
  assert.deepEqual([world.sent.length, world.wakeUps], [before, 0]);
});
