import assert from 'node:assert/strict';
import { closeSync, copyFileSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { superviseEngine } from '../../../core/helper/monitorEngine.ts';
import { tryLock } from '../../../core/helper/monitorSetup.ts';

test('a program that cannot be started just now is tried again, with back-off, and leaks nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-supervise-'));
  const runtime = join(folder, 'runtime');
  const lockPath = join(folder, 'lock');
  copyFileSync(process.execPath, runtime);
  writeFileSync(join(folder, 'engine.mjs'), 'setInterval(() => {}, 1000);');
  const nowhere = openSync('/dev/null', 'r');
  // An update that is being written: to run it is ETXTBSY, which spawn throws.
  const update = openSync(runtime, 'r+');
  const lines: string[] = [];
  let tries = 0;
  const descriptors = () => readdirSync('/proc/self/fd').length;
  const before = descriptors();
  const engine = superviseEngine({
    runtime,
    script: join(folder, 'engine.mjs'),
    args: [],
    rpcFd: nowhere,
    lockPath,
    log: (_level, _area, text, fields) => lines.push(`${text} ${JSON.stringify(fields ?? {})}`),
    onMessage: () => true,
    onGone: () => {
      tries += 1;
    },
  });
  const said = async (part: string, times = 1) => {
    const until = Date.now() + 10_000;
    while (lines.filter((line) => line.includes(part)).length < times) {
      assert.ok(Date.now() < until, `"${part}" in ${lines.join('\n')}`);
      await sleep(10);
    }
  };
  try {
    await said('ETXTBSY', 2);
    assert.ok(tries >= 2, 'a start that failed counts like an engine that ended');
    assert.equal(descriptors(), before, 'nothing is left open by a start that failed');
    assert.match(lines.join('\n'), /afterMs":100[\s\S]*afterMs":200/);
    closeSync(update);
    await said('the engine runs');
  } finally {
    await engine.stop();
    closeSync(nowhere);
    rmSync(folder, { recursive: true, force: true });
  }
  await said('the engine is gone');
});

test('while an old engine keeps the lock, each start that failed counts', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-supervise-'));
  const lockPath = join(folder, 'lock');
  const held = tryLock(lockPath);
  assert.ok(held !== undefined);
  const counted = Promise.withResolvers<void>();
  const lines: string[] = [];
  const engine = superviseEngine({
    ...{ script: join(folder, 'engine.mjs'), args: [], rpcFd: held, lockPath },
    log: (_level, _area, text) => lines.push(text),
    onMessage: () => true,
    onGone: counted.resolve,
  });
  await counted.promise;
  await engine.stop();
  assert.ok(lines.includes('an old engine does not end'));
  closeSync(held);
  rmSync(folder, { recursive: true, force: true });
});

test('an engine that keeps sending does not keep the monitor from all else', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-supervise-'));
  const script = join(folder, 'engine.mjs');
  const channel = new URL('../../../core/system/linux/channel.ts', import.meta.url).href;
  writeFileSync(
    script,
    `import { MessageEnd } from ${JSON.stringify(channel)};
     const end = new MessageEnd(3, 64);
     for (let sent = 0; sent < 200; sent++) end.send(Uint8Array.of(sent));
     setInterval(() => {}, 1000);`,
  );
  const nowhere = openSync('/dev/null', 'r');
  const all = Promise.withResolvers<void>();
  const seen: number[] = [];
  const turns: number[] = [];
  const engine = superviseEngine({
    ...{ script, args: [], rpcFd: nowhere, lockPath: join(folder, 'lock') },
    log: () => {},
    onMessage: ([number]) => {
      // They are all there then.
      if (number === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
      if (seen.push(number) === 1)
        setImmediate(function turn() {
          turns.push(seen.length);
          if (seen.length < 200) setImmediate(turn);
          else all.resolve();
        });
      return true;
    },
    onGone: () => {},
  });
  await all.promise;
  await engine.stop();
  closeSync(nowhere);
  rmSync(folder, { recursive: true, force: true });
  assert.deepEqual(
    seen,
    Array.from({ length: 200 }, (_, i) => i),
  );
  const most = Math.max(...turns.map((count, i) => count - (turns[i - 1] ?? 0)));
  assert.equal(most, 16);
});
