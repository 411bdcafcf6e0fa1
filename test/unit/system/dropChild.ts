/** Child of channel.test.ts: `UID GID early|late`. Drops its privileges with a worker running and prints what came of it. */

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { dropPrivileges, verifyUnprivileged } from '../../../core/helper/privileges.ts';
import { PR_SET_NO_NEW_PRIVS } from '../../../core/system/ffi/constants.ts';
import { errno, errnoName, prctl, setresgid, setresuid } from '../../../core/system/ffi/libc.ts';

const [uid, gid, when, inner] = process.argv.slice(2);

if (!isMainThread) {
  parentPort?.once('message', () => {
    let outcome = 'read';
    try {
      readFileSync('/etc/shadow');
    } catch (error) {
      outcome = error instanceof Error && 'code' in error ? String(error.code) : 'failed';
    }
    parentPort?.postMessage(outcome);
  });
} else if (when === 'early' && inner === undefined) {
  // As the monitor does: set before the process starts, so that all of its threads have it.
  prctl(PR_SET_NO_NEW_PRIVS, 1);
  const ended = spawnSync(process.execPath, [...process.argv.slice(1), 'inner'], { stdio: ['ignore', 'inherit', 'inherit'] });
  process.exit(ended.status ?? 1);
} else {
  const worker = new Worker(new URL(import.meta.url));
  await once(worker, 'online');
  const dropped = dropPrivileges(Number(uid), Number(gid));
  if (!dropped.ok) {
    process.stdout.write(JSON.stringify({ result: dropped.error.code, detail: dropped.error.detail }));
    process.exit(0);
  }
  worker.postMessage('try');
  const [outcome] = await once(worker, 'message');
  const name = (status: number): string => (status === 0 ? 'ok' : errnoName(errno()));
  const back = [name(setresuid(0, 0, 0)), name(setresgid(0, 0, 0))];
  const again = verifyUnprivileged(Number(uid), Number(gid));
  const wrong = verifyUnprivileged(Number(uid) + 1, Number(gid));
  process.stdout.write(
    JSON.stringify({
      result: 'dropped',
      uid: process.geteuid?.(),
      gid: process.getegid?.(),
      worker: outcome,
      back,
      again: again.ok ? 'ok' : again.error.detail,
      wrong: wrong.ok ? 'ok' : wrong.error.code,
    }),
  );
  process.exit(0);
}
