import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDriver, type DriverPorts, type IkeEvent } from '../../../core/helper/driver.ts';
import type { IkeInput } from '../../../core/ike/sa/contract.ts';
import { type Script, scriptedMachine } from './fakes.ts';

const from = { address: '192.0.2.1', port: 4500 };

function drive(script: Script, traffic = () => false, now = () => performance.now()) {
  const inputs: IkeInput['kind'][] = [];
  const events: IkeEvent['kind'][] = [];
  const sent: Uint8Array[] = [];
  const roundTrips: number[] = [];
  const late: number[] = [];
  let onEvent: (event: IkeEvent) => void = () => {};
  let onAsk: DriverPorts['onAsk'] = () => {};
  let onLate = () => {};
  const machine = scriptedMachine((input, emit) => {
    inputs.push(input.kind);
    script(input, emit);
  });
  const driver = createDriver(machine, {
    now,
    send: (_channel, _to, bytes) => sent.push(bytes) > 0,
    onEvent: (event) => {
      events.push(event.kind);
      onEvent(event);
    },
    onAsk: (id, ask) => onAsk(id, ask),
    trafficArrived: traffic,
    onLate: () => {
      late.push(now());
      onLate();
    },
    onRoundTrip: (milliseconds) => roundTrips.push(milliseconds),
  });
  return {
    driver,
    machine,
    inputs,
    events,
    sent,
    roundTrips,
    late,
    on: (listener: (event: IkeEvent) => void) => {
      onEvent = listener;
    },
    whenLate: (listener: () => void) => {
      onLate = listener;
    },
    ask: (listener: DriverPorts['onAsk']) => {
      onAsk = listener;
    },
  };
}

const datagram = (driver: ReturnType<typeof drive>['driver'], octet: number) =>
  driver.datagram(Uint8Array.of(octet), 'natt', from);

test('transmits go to the socket, all else to the connection, in order', () => {
  const { driver, events, sent } = drive((_, emit) => {
    emit({ kind: 'transmit', bytes: Uint8Array.of(1), channel: 'ike', to: from });
    emit({ kind: 'progress', step: 'sa-init' });
  });
  driver.command('start');
  assert.deepEqual([events, sent.length], [['progress'], 1]);
  driver.stop();
});

test('a machine that breaks ends its own connection, and is told nothing more', async () => {
  const failures: unknown[] = [];
  const { driver, inputs, events, on } = drive((input) => {
    if (input.kind === 'datagram') throw new RangeError('of a kind nobody thought of');
  });
  on((event) => {
    if (event.kind === 'closed') failures.push(event.failure);
    driver.command('terminate');
  });
  driver.command('start');
  datagram(driver, 1);
  datagram(driver, 2);
  await new Promise(setImmediate);
  assert.deepEqual(inputs, ['start', 'datagram', 'terminate']);
  assert.deepEqual(events, ['log', 'closed']);
  assert.deepEqual(failures, [{ code: 'internal', evidence: 'RangeError: of a kind nobody thought of' }]);
});

test('an ask goes to who answers, at once or later, and the answer to the machine', async () => {
  const answers: IkeInput[] = [];
  const { driver, events, ask, on } = drive((input, emit) => {
    if (input.kind === 'start') emit({ kind: 'ask', id: 7, ask: { kind: 'gateway-revocation' } });
    if (input.kind !== 'answer') return;
    answers.push(input);
    if (answers.length === 1) emit({ kind: 'ask', id: 8, ask: { kind: 'gateway-revocation' } });
    else emit({ kind: 'progress', step: 'established' });
  });
  ask((id) => {
    if (id === 7) driver.answer(id, { kind: 'gateway-revocation' });
    else setImmediate(() => driver.answer(id, { kind: 'gateway-revocation' }));
  });
  const established = new Promise<void>((resolve) => on(() => resolve()));
  driver.command('start');
  assert.deepEqual(events, []);
  await established;
  assert.deepEqual(
    answers.map((input) => input.kind === 'answer' && input.id),
    [7, 8],
  );
  assert.deepEqual(events, ['progress']);
  driver.stop();
});

test('a deadline that is due becomes a tick; traffic since is told first', async () => {
  let arrived = true;
  const { driver, machine, inputs, on } = drive(
    (input, emit) => {
      if (input.kind === 'start') machine.due = performance.now() + 5;
      if (input.kind === 'tick') {
        machine.due = undefined;
        emit({ kind: 'progress', step: 'auth' });
      }
    },
    () => {
      const answer = arrived;
      arrived = false;
      return answer;
    },
  );
  const ticked = new Promise<void>((resolve) => on(() => resolve()));
  driver.command('start');
  await ticked;
  assert.deepEqual(inputs, ['start', 'inbound-traffic', 'tick']);
  driver.stop();
});

test('a command given while an event is told is carried out after it', () => {
  const { driver, inputs, events, on } = drive((input, emit) => {
    if (input.kind === 'start') {
      emit({ kind: 'progress', step: 'sa-init' });
      emit({ kind: 'progress', step: 'auth' });
    }
    if (input.kind === 'terminate') emit({ kind: 'closed' });
  });
  on((event) => {
    if (event.kind === 'progress' && event.step === 'sa-init') driver.command('terminate');
  });
  driver.command('start');
  assert.deepEqual(inputs, ['start', 'terminate']);
  assert.deepEqual(events, ['progress', 'progress', 'closed']);
  driver.stop();
});

test('a flood is taken in turns, in order, and bounded', async () => {
  const taken: number[] = [];
  const { driver } = drive((input) => {
    if (input.kind === 'datagram') taken.push(input.bytes[0] ?? -1);
  });
  for (let i = 0; i < 1000; i++) datagram(driver, i & 0xff);
  assert.equal(taken.length, 16, 'no more than the budget in one turn');
  for (let turn = 0; turn < 40; turn++) await new Promise(setImmediate);
  assert.equal(taken.length, 16 + 256, 'the rest of the flood is dropped');
  assert.deepEqual(
    taken,
    Array.from({ length: 272 }, (_, i) => i & 0xff),
  );
  driver.stop();
});

test('after stop nothing reaches the machine and no timer is left', async () => {
  const { driver, machine, inputs } = drive(() => {});
  driver.command('start');
  machine.due = performance.now();
  datagram(driver, 1);
  driver.stop();
  datagram(driver, 2);
  driver.command('terminate');
  await new Promise(setImmediate);
  assert.deepEqual(inputs, ['start', 'datagram']);
});

test('a timer that is seconds late tells of it before the machine learns the time', async () => {
  let slept = 0;
  const { driver, machine, inputs, late } = drive(
    () => {
      machine.due = undefined;
    },
    undefined,
    () => performance.now() + slept,
  );
  driver.command('start');
  machine.due = performance.now() + 20;
  driver.check();
  machine.due = performance.now() + 20;
  driver.woke();
  slept = 3_600_000;
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.equal(late.length, 1);
  assert.deepEqual(inputs, ['start', 'check-liveness', 'tick']);
  driver.stop();
});

test('who is told that it is late may say that we woke: told once, whatever stays due', async () => {
  let slept = 0;
  const { driver, machine, late, inputs, whenLate } = drive(
    (input) => {
      if (input.kind === 'tick') machine.due = undefined;
    },
    undefined,
    () => performance.now() + slept,
  );
  whenLate(() => {
    driver.check();
    driver.woke();
  });
  machine.due = performance.now() + 20;
  driver.command('start');
  slept = 3_600_000;
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.equal(late.length, 1);
  assert.deepEqual(inputs, ['start', 'check-liveness', 'tick']);
  driver.stop();
});
