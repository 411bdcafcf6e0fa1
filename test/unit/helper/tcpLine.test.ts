import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { err, ok, type Result } from '../../../core/bytes/result.ts';
import type { TcpConnection } from '../../../core/helper/tcpConnection.ts';
import { type Line, openLine } from '../../../core/helper/tcpLine.ts';

const clock = { now: 0 };

/** A stage whose connections are numbers; each try ends as `verdict` says. */
function world(verdict: (count: number) => Result<number, string> | 'never' = (count) => ok(100 + count)) {
  const calls: string[] = [];
  let count = 0;
  const stage = {
    async connect(address: string, ports: readonly number[], cancelled: AbortSignal): Promise<Result<TcpConnection, string>> {
      calls.push(`connect ${address} ${ports.join(' ')}`);
      const said = verdict(++count);
      if (said === 'never') {
        await new Promise((resolve) => cancelled.addEventListener('abort', resolve, { once: true }));
        return err('cancelled');
      }
      if (!said.ok) return said;
      return ok({ fd: said.value, port: ports.at(-1) ?? 0, local: { address: '192.0.2.7', port: 40_000 + count } });
    },
    async disconnect(fd: number): Promise<void> {
      calls.push(`disconnect ${fd}`);
    },
  };
  const open = async (): Promise<Line> => {
    const opened = await openLine(
      { stage, log: () => {}, random: () => 0, now: () => clock.now },
      '192.0.2.1',
      [4500, 443],
      AbortSignal.timeout(60_000),
    );
    assert.ok(opened.ok);
    return opened.value;
  };
  return { calls, open, stage };
}

const settled = (): Promise<void> => sleep(5);

test('a line that breaks is opened again to the port that took it, and the machine is told', async () => {
  const { calls, open } = world();
  const line = await open();
  let back = 0;
  line.onBack = () => void back++;
  assert.equal(line.connection.port, 443);
  assert.deepEqual([line.has(101), line.has(102)], [true, false]);
  line.broken('ECONNRESET');
  await settled();
  assert.deepEqual(calls, ['connect 192.0.2.1 4500 443', 'disconnect 101', 'connect 192.0.2.1 443']);
  assert.equal(back, 1);
  assert.deepEqual([line.has(101), line.has(102)], [false, true]);
  await line.close();
  assert.equal(calls.at(-1), 'disconnect 102');
});

test('it is tried again and again, with pauses, until it is there', async () => {
  const { calls, open } = world((count) => (count === 1 || count === 4 ? ok(100 + count) : err('port 443: ECONNREFUSED')));
  const line = await open();
  const { promise, resolve } = Promise.withResolvers<void>();
  line.onBack = () => resolve();
  const began = performance.now();
  line.broken('closed');
  await promise;
  // Half of 500 ms and half of a second.
  assert.ok(performance.now() - began >= 740);
  assert.equal(calls.filter((call) => call === 'connect 192.0.2.1 443').length, 3);
  await line.close();
});

test('several reasons at once make one new connection; one that is closed makes none', async () => {
  const { calls, open } = world();
  const line = await open();
  let back = 0;
  line.onBack = () => void back++;
  line.broken('ETIMEDOUT');
  line.renew();
  line.renew();
  assert.equal(line.isOpen, false);
  await settled();
  assert.equal(line.isOpen, true);
  assert.equal(back, 1);
  assert.equal(calls.length, 3);
  await line.close();
  line.broken('closed');
  line.renew();
  await settled();
  assert.equal(back, 1);
  assert.deepEqual(calls.slice(3), ['disconnect 102']);
});

test('closing ends a try that is under way', async () => {
  const { calls, open } = world((count) => (count === 1 ? ok(101) : 'never'));
  const line = await open();
  line.onBack = () => assert.fail('it was closed');
  line.broken('closed');
  await settled();
  await line.close();
  assert.deepEqual(calls, ['connect 192.0.2.1 4500 443', 'disconnect 101', 'connect 192.0.2.1 443']);
});

test('a first connection that fails says why', async () => {
  const { stage } = world(() => err('port 4500: ECONNREFUSED; port 443: no answer'));
  const opened = await openLine(
    { stage, log: () => {}, random: () => 0, now: () => clock.now },
    '192.0.2.1',
    [4500, 443],
    AbortSignal.timeout(1_000),
  );
  assert.deepEqual(opened, err('port 4500: ECONNREFUSED; port 443: no answer'));
});

test('who takes connections only to break them is asked ever less often; what held is opened at once', async () => {
  const { calls, open } = world();
  const line = await open();
  const connects = (): number => calls.filter((call) => call.startsWith('connect')).length;
  assert.equal(line.wasBroken, false);
  line.broken('closed');
  await settled();
  assert.equal(connects(), 2, 'the first time at once');
  line.broken('closed');
  await sleep(200);
  assert.equal(connects(), 2);
  await sleep(100);
  assert.equal(connects(), 3, 'after half of 500 ms');
  assert.equal(line.wasBroken, true);
  clock.now += 60_000;
  line.broken('closed');
  await settled();
  assert.equal(connects(), 4);
  await line.close();
});

test('a pause ends when there is reason to hope: the network is back', async () => {
  let reachable = false;
  const { calls, open } = world((count) => (count === 1 || reachable ? ok(100 + count) : err('port 443: ENETUNREACH')));
  const line = await open();
  let back = 0;
  line.onBack = () => void back++;
  line.broken('ETIMEDOUT');
  await sleep(300);
  const tries = calls.length;
  reachable = true;
  line.renew();
  await settled();
  assert.equal(back, 1);
  assert.equal(calls.length, tries + 1);
  await line.close();
});
