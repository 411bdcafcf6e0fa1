import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Address, createRace, type RaceInput, type RaceOptions, type Target } from '../../../core/tunnel/race.ts';

const four = (n: number): Address => ({ address: `192.0.2.${n}`, family: 4 });
const six = (n: number): Address => ({ address: `2001:db8::${n}`, family: 6 });

const nameOf = ({ address, transport }: Target): string => (transport === undefined ? address : `${transport} ${address}`);

function race(options: Partial<RaceOptions> = {}) {
  const it = createRace({ gateways: 1, ...options });
  const targets = new Map<string, Target>();
  let now = 5_000;
  const said = (): string[] => {
    const words: string[] = [];
    for (let one = it.poll(); one; one = it.poll()) {
      if (one.kind === 'begin') targets.set(nameOf(one.target), one.target);
      words.push(one.kind === 'lost' ? 'lost' : `${one.kind} ${nameOf(one.target)}`);
    }
    return words;
  };
  const give = (input: RaceInput): string[] => {
    it.handle(input, now);
    return said();
  };
  const target = (address: string): Target => {
    const found = targets.get(address);
    assert.ok(found, address);
    return found;
  };
  return {
    it,
    found: (addresses: readonly Address[], gateway = 0) => [
      ...give({ kind: 'addresses', gateway, addresses }),
      ...give({ kind: 'looked-up', gateway }),
    ],
    give,
    failed: (address: string, silent = false) => give({ kind: 'failed', target: target(address), silent }),
    heard: (address: string) => give({ kind: 'heard', target: target(address) }),
    answered: (address: string) => give({ kind: 'answered', target: target(address) }),
    pass(milliseconds: number): string[] {
      const words: string[] = [];
      const from = now;
      for (let due = it.deadline(); due !== undefined && due <= from + milliseconds; due = it.deadline()) {
        now = Math.max(now, due);
        words.push(...give({ kind: 'tick' }).map((word) => `${now - from}: ${word}`));
      }
      now = from + milliseconds;
      return words;
    },
  };
}

test('families take turns, 250 ms apart; the first that answers ends the others', () => {
  const it = race();
  assert.deepEqual(it.found([six(1), six(2), four(1), four(2)]), ['begin 2001:db8::1']);
  assert.deepEqual(it.pass(600), ['250: begin 192.0.2.1', '500: begin 2001:db8::2']);
  assert.deepEqual(it.answered('192.0.2.1'), ['drop 2001:db8::1', 'drop 2001:db8::2']);
  assert.deepEqual(it.pass(60_000), []);
});

test('an address without a way is no reason to wait; when all failed it is lost', () => {
  const it = race();
  it.found([six(1), four(1)]);
  assert.deepEqual(it.failed('2001:db8::1'), ['begin 192.0.2.1']);
  assert.deepEqual(it.failed('192.0.2.1'), ['lost']);
});

test('what worked last is first, and what fell silent after an answer is last', () => {
  const it = race({ preferred: '192.0.2.2', avoided: new Set(['2001:db8::1']) });
  assert.deepEqual(it.found([six(1), four(1), four(2), six(2)]), ['begin 192.0.2.2']);
  assert.deepEqual(it.pass(2_000), ['250: begin 2001:db8::2', '500: begin 192.0.2.1', '750: begin 2001:db8::1']);
});

test('addresses may come in pieces, each once', () => {
  const it = race();
  assert.deepEqual(it.give({ kind: 'addresses', gateway: 0, addresses: [four(1)] }), ['begin 192.0.2.1']);
  assert.deepEqual(it.failed('192.0.2.1'), [], 'the resolver may know more');
  assert.deepEqual(it.found([four(1), six(1)]), ['begin 2001:db8::1']);
  assert.deepEqual(it.failed('2001:db8::1'), ['lost']);
});

test('a name without addresses is lost as soon as that is known', () => {
  assert.deepEqual(race().give({ kind: 'looked-up', gateway: 0 }), ['lost']);
});

test('a second gateway joins in after three seconds of silence', () => {
  const it = race({ gateways: 2 });
  assert.deepEqual(it.found([four(9)], 1), [], 'the first may still be found');
  assert.deepEqual(it.found([four(1), six(1)], 0), ['begin 192.0.2.1']);
  assert.deepEqual(it.pass(10_000), ['250: begin 2001:db8::1', '3250: begin 192.0.2.9']);
  assert.deepEqual(it.answered('192.0.2.9'), ['drop 192.0.2.1', 'drop 2001:db8::1']);
});

test('the addresses of the second gateway follow each other as those of the first do', () => {
  const it = race({ gateways: 2 });
  it.found([four(1)], 0);
  it.found([four(8), six(8), four(9)], 1);
  assert.deepEqual(it.pass(10_000), ['3000: begin 192.0.2.8', '3250: begin 2001:db8::8', '3500: begin 192.0.2.9']);
  // One that stood in before is tried early; it brings nobody else along.
  const stoodIn = race({ gateways: 2, preferred: '192.0.2.9' });
  stoodIn.found([four(1)], 0);
  stoodIn.found([four(8), four(9)], 1);
  assert.deepEqual(stoodIn.pass(10_000), ['250: begin 192.0.2.9', '3000: begin 192.0.2.8']);
});

test('one that stood in last time joins in as soon as an address would', () => {
  const it = race({ gateways: 2, preferred: '192.0.2.9' });
  it.found([four(1)], 0);
  it.found([four(9)], 1);
  assert.deepEqual(it.pass(10_000), ['250: begin 192.0.2.9']);
});

test('and at once when the first has failed or has no name', () => {
  const failed = race({ gateways: 2 });
  failed.found([four(9)], 1);
  failed.found([four(1)], 0);
  assert.deepEqual(failed.failed('192.0.2.1'), ['begin 192.0.2.9']);
  const unknown = race({ gateways: 2 });
  unknown.found([four(9)], 1);
  assert.deepEqual(unknown.give({ kind: 'looked-up', gateway: 0 }), ['begin 192.0.2.9']);
  const silent = race({ gateways: 2 });
  silent.found([four(9)], 1);
  assert.deepEqual(silent.pass(4_000), ['3000: begin 192.0.2.9'], 'the name servers are silent');
});

// RFC 9329 §5.1
test('what is silent over UDP is tried over TCP after four seconds, while UDP goes on', () => {
  const it = race({ tcp: 'auto' });
  assert.deepEqual(it.found([four(1), six(1)]), ['begin 192.0.2.1']);
  assert.deepEqual(it.pass(10_000), ['250: begin 2001:db8::1', '4000: begin tcp 192.0.2.1', '4250: begin tcp 2001:db8::1']);
  assert.deepEqual(it.answered('tcp 192.0.2.1'), ['drop 192.0.2.1', 'drop 2001:db8::1', 'drop tcp 2001:db8::1']);
});

test('UDP that is answered late still wins over TCP that only connects', () => {
  const it = race({ tcp: 'auto' });
  it.found([four(1)]);
  assert.deepEqual(it.pass(5_000), ['4000: begin tcp 192.0.2.1']);
  assert.deepEqual(it.answered('192.0.2.1'), ['drop tcp 192.0.2.1']);
});

test('UDP that gives up makes way for TCP at once; who was refused is not tried again', () => {
  const silent = race({ tcp: 'auto' });
  silent.found([four(1)]);
  assert.deepEqual(silent.failed('192.0.2.1', true), ['begin tcp 192.0.2.1']);
  assert.deepEqual(silent.failed('tcp 192.0.2.1', true), ['lost']);
  const refused = race({ tcp: 'auto' });
  refused.found([four(1)]);
  assert.deepEqual(refused.failed('192.0.2.1'), ['lost']);
  assert.equal(refused.it.deadline(), undefined);
});

test('UDP that brings words, but no answer yet, passes: no TCP beside it, and after it only where it was silence in the end', () => {
  const refused = race({ tcp: 'auto' });
  refused.found([four(1)]);
  assert.deepEqual(refused.heard('192.0.2.1'), []);
  assert.deepEqual(refused.pass(60_000), []);
  assert.deepEqual(refused.failed('192.0.2.1'), ['lost']);
  const silent = race({ tcp: 'auto' });
  silent.found([four(1), six(1)]);
  silent.heard('192.0.2.1');
  assert.deepEqual(silent.pass(60_000), ['250: begin 2001:db8::1', '4250: begin tcp 2001:db8::1']);
  assert.deepEqual(silent.failed('192.0.2.1', true), ['begin tcp 192.0.2.1']);
});

test('TCP that fails leaves UDP alone in the race', () => {
  const it = race({ tcp: 'auto' });
  it.found([four(1)]);
  it.pass(4_000);
  assert.deepEqual(it.failed('tcp 192.0.2.1', true), []);
  assert.deepEqual(it.pass(20_000), []);
  assert.deepEqual(it.failed('192.0.2.1', true), ['lost']);
});

test('where UDP did not pass the last time it has a second alone, and wins when it passes again', () => {
  const it = race({ tcp: 'auto', udpBlocked: true });
  it.found([four(1)]);
  assert.deepEqual(it.pass(2_000), ['1000: begin tcp 192.0.2.1']);
  const back = race({ tcp: 'auto', udpBlocked: true });
  back.found([four(1)]);
  assert.deepEqual(back.answered('192.0.2.1'), []);
  assert.deepEqual(back.pass(5_000), []);
});

test('always means TCP alone, never means UDP alone', () => {
  const always = race({ tcp: 'always' });
  assert.deepEqual(always.found([four(1), six(1)]), ['begin tcp 192.0.2.1']);
  assert.deepEqual(always.pass(10_000), ['250: begin tcp 2001:db8::1']);
  const never = race({ tcp: 'never' });
  assert.deepEqual(never.found([four(1)]), ['begin 192.0.2.1']);
  assert.deepEqual(never.pass(60_000), []);
});
