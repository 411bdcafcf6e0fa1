/** The driver of the path MTU on a virtual clock, with a network that carries what fits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ChildMtu, type KeptChild, PathKeepers } from '../../../core/dataplane/pathKeeper.ts';
import { espShape, largestInner, outerSize } from '../../../core/esp/size.ts';
import { suiteOf } from '../esp/suites.ts';

const minutes = 60_000;
const way = { local: '198.51.100.7', remote: '192.0.2.1' };
const route = { source: Uint8Array.of(10, 0, 0, 1), target: Uint8Array.of(10, 1, 2, 3) };

function childOf(spiIn: number, suite = 'aes256gcm16', configured = 1400): KeptChild {
  const { encr, integ } = suiteOf(suite);
  return { spiIn, shape: espShape(encr, integ), configured };
}

class World {
  now = 5_000.25;
  carries = 1500;
  answers = true;
  packetsOut = 0;
  wakeUps = 0;
  readonly probes: { readonly spiIn: number; readonly octets: number }[] = [];
  readonly changes: { readonly spiIn: number; readonly mtu: ChildMtu }[] = [];
  readonly keepers: PathKeepers;
  #timers: { readonly at: number; readonly run: () => void }[] = [];
  #seed = 1;

  constructor() {
    this.keepers = new PathKeepers({
      random: (length) => Uint8Array.from({ length }, () => (this.#seed = (this.#seed * 75 + 74) % 65_537)),
      now: () => this.now,
      schedule: (milliseconds, run) => this.#after(milliseconds, run),
      probe: (spiIn, packet) => {
        this.probes.push({ spiIn, octets: packet.length });
        this.packetsOut++;
        const outer = outerSize(childOf(0).shape, 4, packet.length);
        if (!this.answers || outer > this.carries) return;
        const reply = packet.slice();
        reply.set(packet.subarray(12, 16), 16);
        reply.set(packet.subarray(16, 20), 12);
        reply[20] = 0;
        this.#after(20, () => this.keepers.answer(spiIn, reply));
      },
      onMtu: (spiIn, mtu) => this.changes.push({ spiIn, mtu }),
      packetsOut: () => this.packetsOut,
    });
  }

  get timers(): number {
    return this.#timers.length;
  }

  pass(milliseconds: number): void {
    const end = this.now + milliseconds;
    for (;;) {
      const [next] = this.#timers.toSorted((a, b) => a.at - b.at);
      if (next === undefined || next.at > end) break;
      assert.ok(++this.wakeUps < 1000, 'it spins');
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.now = next.at;
      next.run();
    }
    this.now = end;
  }

  #after(milliseconds: number, run: () => void): () => void {
    const timer = { at: this.now + milliseconds, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }
}

test('without anybody to ask there is no packet and no timer; what is reported holds for ten minutes', () => {
  const world = new World();
  const { mtu } = world.keepers.add(way, childOf(1));
  assert.deepEqual(mtu, { inner: 1400, fragmentOutside: false, because: undefined });
  assert.equal(world.timers, 0);
  world.keepers.reported('203.0.113.77', 1300); // of a datagram that was never sent
  assert.deepEqual(world.changes, []);
  world.keepers.reported(way.remote, 1300);
  const inner = largestInner(childOf(1).shape, 4, 1300);
  assert.deepEqual(world.changes, [{ spiIn: 1, mtu: { inner, fragmentOutside: false, because: 'reported' } }]);
  assert.equal(world.timers, 1);
  world.pass(10 * minutes + 1);
  assert.deepEqual(world.keepers.mtu(1), { inner: 1400, fragmentOutside: false, because: undefined });
  assert.equal(world.timers, 0);
  assert.deepEqual(world.probes, []);
});

test('a black hole is found through the newest SA, holds for all of them, and is left when the way is healed', () => {
  const world = new World();
  world.carries = 1300;
  world.keepers.add(way, childOf(1));
  world.keepers.probeThrough(1, [route]);
  world.pass(minutes);
  const found = world.keepers.mtu(1);
  assert.equal(world.changes[0]?.mtu.because, 'black-hole');
  assert.equal(found?.because, 'black-hole');
  const most = largestInner(childOf(1).shape, 4, 1300);
  assert.ok(found.inner <= most && found.inner > most - 16, `${found.inner} of ${most}`);

  // Rekeyed: nothing begins anew.
  const probes = world.probes.length;
  assert.deepEqual(world.keepers.add(way, childOf(2)).mtu, found);
  assert.equal(world.probes.length, probes);
  world.keepers.remove(1);
  assert.equal(world.keepers.mtu(1), undefined);

  world.carries = 1500;
  world.packetsOut++;
  world.pass(11 * minutes);
  assert.deepEqual(world.keepers.mtu(2), { inner: 1400, fragmentOutside: false, because: undefined });
  assert.equal(world.probes.at(-1)?.spiIn, 2);
  assert.equal(world.changes.at(-1)?.spiIn, 2);
});

test('an idle connection is woken once in ten minutes, and then nothing is sent', () => {
  const world = new World();
  world.keepers.add(way, childOf(1));
  world.keepers.probeThrough(1, [route]);
  world.pass(minutes);
  const probes = world.probes.length;
  // The first look after the probing may still see packets.
  world.pass(10 * minutes);
  world.wakeUps = 0;
  world.pass(60 * minutes);
  assert.equal(world.wakeUps, 6);
  assert.equal(world.probes.length, probes);
});

test('another suite: the outer size stays, each SA has its own', () => {
  const world = new World();
  world.keepers.add(way, childOf(1));
  world.keepers.reported(way.remote, 1300);
  const { mtu } = world.keepers.add(way, childOf(2, 'aes256-sha512', 1380));
  assert.equal(mtu.inner, largestInner(childOf(2, 'aes256-sha512').shape, 4, 1300));
  const old = world.keepers.mtu(1)?.inner ?? 0;
  assert.ok(outerSize(childOf(1).shape, 4, old) <= 1300);
});

test('… and when the newest goes the machine has the suite of the one that stays: reports of its packets are heard', () => {
  const world = new World();
  const heavy = childOf(1, 'aes256-sha512');
  world.keepers.add(way, heavy);
  world.keepers.add(way, childOf(2));
  world.keepers.reported(way.remote, 1400);
  world.keepers.remove(2);
  const fits = (outer: number): number => largestInner(heavy.shape, 4, outer);
  assert.equal(world.keepers.mtu(1)?.inner, fits(1400));
  const outer = outerSize(heavy.shape, 4, fits(1400));
  world.changes.length = 0;
  world.keepers.reported(way.remote, outer - 1);
  assert.deepEqual(world.changes, [{ spiIn: 1, mtu: { inner: fits(outer - 1), fragmentOutside: false, because: 'reported' } }]);
});

test('… and its bound: what is less by a bound alone has no other reason', () => {
  const world = new World();
  world.keepers.add(way, childOf(1));
  world.keepers.add(way, childOf(2, 'aes256gcm16', 1300));
  world.keepers.reported(way.remote, 1200);
  world.changes.length = 0;
  world.pass(10 * minutes + 1);
  assert.deepEqual(world.keepers.mtu(2), { inner: 1300, fragmentOutside: false, because: undefined });
  world.keepers.remove(2);
  assert.deepEqual(world.keepers.mtu(1), { inner: 1400, fragmentOutside: false, because: undefined });
  assert.deepEqual(
    world.changes.map(({ spiIn, mtu }) => [spiIn, mtu.inner]),
    [
      [1, 1300],
      [2, 1300],
      [1, 1400],
    ],
  );
});

test('a suspicion is looked into; who is gone leaves no timer behind', () => {
  const world = new World();
  world.keepers.add(way, childOf(1));
  world.keepers.probeThrough(1, [route]);
  world.pass(minutes);
  world.carries = 700;
  world.keepers.suspect(1, true);
  world.pass(minutes);
  const most = largestInner(childOf(1).shape, 4, 700);
  const inner = world.keepers.mtu(1)?.inner ?? 0;
  assert.ok(inner <= most && inner >= 500, `${inner}`);
  world.keepers.remove(1);
  assert.equal(world.timers, 0);
  world.keepers.suspect(1, true);
  world.keepers.answer(1, new Uint8Array(64));
  world.keepers.add(way, childOf(3));
  world.keepers.probeThrough(3, [route]);
  assert.ok(world.timers > 0);
  world.keepers.clear();
  assert.equal(world.keepers.mtu(3), undefined);
});

test('a new way is found out anew, with those who were asked before; the old one is known again for whoever still goes it', () => {
  const world = new World();
  world.carries = 1300;
  const { session } = world.keepers.add(way, childOf(1));
  world.keepers.add(way, childOf(2));
  world.keepers.probeThrough(1, [route]);
  world.pass(minutes);
  const before = world.keepers.mtu(2);
  assert.equal(before?.because, 'black-hole');

  world.carries = 1400;
  const other = { local: '203.0.113.5', remote: way.remote, interfaceMtu: 1420 };
  const moved = world.keepers.move(1, other);
  assert.deepEqual(moved?.mtu, {
    inner: largestInner(childOf(1).shape, 4, 1420),
    fragmentOutside: false,
    because: undefined,
  });
  assert.deepEqual(moved?.routes, [route]);
  assert.notDeepEqual(moved?.session, session, 'late answers of the old way say nothing of the new one');
  assert.deepEqual(world.keepers.mtu(2), before);
  world.keepers.probeThrough(1, moved?.routes ?? []);
  world.pass(minutes);
  const most = largestInner(childOf(1).shape, 4, 1400);
  const inner = world.keepers.mtu(1)?.inner ?? 0;
  assert.ok(inner <= most && inner > most - 16, `${inner} of ${most}`);

  // The second follows: what the first found out holds for it.
  assert.deepEqual(world.keepers.move(2, other), { mtu: world.keepers.mtu(1), session: moved?.session, routes: [] });
  // Said twice changes nothing.
  assert.deepEqual(world.keepers.move(2, other)?.mtu, world.keepers.mtu(1));
  assert.equal(world.keepers.move(9, other), undefined);
  world.keepers.remove(1);
  world.keepers.remove(2);
  assert.equal(world.timers, 0);
});
