import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fromUtf8, toUtf8 } from '../../../core/bytes/bytes.ts';
import { F_GETFD, FD_CLOEXEC, SCM_RIGHTS, SOL_SOCKET } from '../../../core/system/ffi/constants.ts';
import { CMSGHDR, MSGHDR } from '../../../core/system/ffi/layouts.ts';
import { fcntl, sendmsg } from '../../../core/system/ffi/libc.ts';
import { Pinned } from '../../../core/system/ffi/memory.ts';
import { watchReadable } from '../../../core/system/ffi/readiness.ts';
import { MessageEnd, messagePair } from '../../../core/system/linux/channel.ts';
import { descriptorOf, peerCredentials, verifySocketPath } from '../../../core/system/linux/peer.ts';

const MAX = 4096;

function pair(max = MAX): { a: MessageEnd; b: MessageEnd; closeA(): void; closeB(): void } {
  const made = messagePair(max);
  assert(made.ok);
  const [a, b] = made.value;
  return { a: new MessageEnd(a, max), b: new MessageEnd(b, max), closeA: () => closeSync(a), closeB: () => closeSync(b) };
}

test('messages keep their boundaries, both ways, up to the agreed length', () => {
  const { a, b, closeA, closeB } = pair(256 * 1024);
  const large = new Uint8Array(256 * 1024).map((_, i) => i * 7);
  assert(a.send(fromUtf8('one')) && a.send(large) && b.send(fromUtf8('back')));
  const first = b.receive();
  assert(first.kind === 'message' && toUtf8(first.bytes) === 'one' && first.descriptors.length === 0);
  const second = b.receive();
  assert(second.kind === 'message');
  assert.deepEqual(second.bytes, large);
  assert.equal(b.receive().kind, 'nothing');
  const back = a.receive();
  assert(back.kind === 'message' && toUtf8(back.bytes) === 'back');
  assert.equal(a.send(new Uint8Array(256 * 1024 + 1)), false);
  assert.equal(a.send(new Uint8Array(0)), false);
  closeA();
  assert.equal(b.receive().kind, 'closed');
  assert.equal(b.send(fromUtf8('x')), false);
  closeB();
});

test('a descriptor travels with its message and is not inherited by children', () => {
  const { a, b, closeA, closeB } = pair();
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-fd-'));
  const file = openSync(join(folder, 'file'), 'w+');
  writeSync(file, 'through the socket');
  assert(a.send(fromUtf8('take this'), [file]));
  const received = b.receive();
  assert(received.kind === 'message' && received.descriptors.length === 1);
  const [copy] = received.descriptors;
  assert.notEqual(copy, file);
  assert.equal(fstatSync(copy).ino, fstatSync(file).ino);
  const text = Buffer.alloc(18);
  readSync(copy, text, 0, 18, 0);
  assert.equal(text.toString(), 'through the socket');
  assert.equal(fcntl(copy, F_GETFD, 0) & FD_CLOEXEC, FD_CLOEXEC);
  assert.equal(fcntl(a.fd, F_GETFD, 0) & FD_CLOEXEC, FD_CLOEXEC);
  for (const fd of [copy, file]) closeSync(fd);
  closeA();
  closeB();
  rmSync(folder, { recursive: true });
});

test('a message that is too long for the receiver is malformed, and the descriptor with it is closed', () => {
  const made = messagePair(MAX);
  assert(made.ok);
  const [a, b] = made.value;
  const sender = new MessageEnd(a, 2 * MAX);
  const receiver = new MessageEnd(b, MAX);
  const probe = openSync('/dev/null', 'r');
  assert(sender.send(new Uint8Array(MAX + 1), [probe]));
  closeSync(probe);
  assert.equal(receiver.receive().kind, 'malformed');
  const again = openSync('/dev/null', 'r');
  assert.equal(again, probe, 'the lowest free descriptor is the one of before: none was left open');
  for (const fd of [again, a, b]) closeSync(fd);
});

test('an empty message ends the conversation, and the descriptor with it is closed', () => {
  const { a, b, closeA, closeB } = pair();
  const probe = openSync('/dev/null', 'r');
  const control = new Pinned(CMSGHDR.size + 8);
  control.setSize(CMSGHDR.offset.length, CMSGHDR.size + 4);
  control.view.setInt32(CMSGHDR.offset.level, SOL_SOCKET, true);
  control.view.setInt32(CMSGHDR.offset.type, SCM_RIGHTS, true);
  control.view.setInt32(CMSGHDR.size, probe, true);
  const header = new Pinned(MSGHDR.size);
  header.setPointer(MSGHDR.offset.control, control.address);
  header.setSize(MSGHDR.offset.controlLength, CMSGHDR.size + 8);
  assert.equal(sendmsg(a.fd, header.address, 0), 0);
  closeSync(probe);
  assert.equal(b.receive().kind, 'closed');
  const again = openSync('/dev/null', 'r');
  assert.equal(again, probe, 'none was left open');
  closeSync(again);
  closeA();
  closeB();
});

test('the event loop is told about messages and about the end', async () => {
  const { a, b, closeA, closeB } = pair();
  const seen: string[] = [];
  await new Promise<void>((resolve) => {
    const watch = watchReadable(b.fd, () => {
      for (;;) {
        const received = b.receive();
        if (received.kind === 'nothing') return;
        seen.push(received.kind === 'message' ? toUtf8(received.bytes) : received.kind);
        if (seen.length === 2) closeA();
        if (received.kind !== 'closed') continue;
        watch.close();
        return resolve();
      }
    });
    a.send(fromUtf8('one'));
    setImmediate(() => a.send(fromUtf8('two')));
  });
  assert.deepEqual(seen, ['one', 'two', 'closed']);
  closeB();
});

test('peer credentials come from the kernel, at both ends', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-peer-'));
  const path = join(folder, 'socket');
  const uid = process.getuid?.();
  const gid = process.getgid?.();
  try {
    await new Promise<void>((resolve, reject) => {
      const server = createServer((socket) => {
        const fd = descriptorOf(socket);
        const credentials = fd === undefined ? undefined : peerCredentials(fd);
        socket.end(JSON.stringify(credentials));
      });
      server.listen(path, () => {
        const client = connect(path);
        client.once('connect', () => {
          const fd = descriptorOf(client);
          assert(fd !== undefined);
          assert.deepEqual(peerCredentials(fd), { pid: process.pid, uid, gid });
        });
        client.once('data', (data) => {
          try {
            assert.deepEqual(JSON.parse(String(data)), { pid: process.pid, uid, gid });
          } catch (error) {
            reject(error);
          }
        });
        client.once('close', () => {
          assert.equal(descriptorOf(client), undefined);
          server.close(() => resolve());
        });
      });
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('credentials of what is no connected Unix socket are undefined', () => {
  const file = openSync('/dev/null', 'r');
  assert.equal(peerCredentials(file), undefined);
  closeSync(file);
});

test('credentials of another user are that user’s', { skip: process.getuid?.() === 0 ? false : 'needs root' }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-peer-'));
  chmodSync(folder, 0o755);
  const path = join(folder, 'socket');
  const seen = await new Promise<unknown>((resolve) => {
    const server = createServer((socket) => {
      const fd = descriptorOf(socket);
      resolve(fd === undefined ? undefined : peerCredentials(fd));
      socket.destroy();
      server.close();
    });
    server.listen(path, () => {
      chmodSync(path, 0o666);
      // The binary may not be readable by that user: it becomes the user after it was loaded.
      const script = "const net=require('node:net');process.setgid(61998);process.setuid(61999);net.connect(process.argv[1])";
      spawn(process.execPath, ['-e', script, path], { stdio: 'ignore' });
    });
  });
  rmSync(folder, { recursive: true });
  assert(typeof seen === 'object' && seen !== null && 'uid' in seen && 'gid' in seen);
  assert.deepEqual([seen.uid, seen.gid], [61999, 61998]);
});

test('a client trusts a socket only where nobody but root can put one', {
  skip: process.getuid?.() === 0 ? false : 'needs root',
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-path-'));
  const inner = join(folder, 'run');
  mkdirSync(inner);
  chmodSync(folder, 0o755);
  chmodSync(inner, 0o755);
  const path = join(inner, 'socket');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const codeOf = (at = path): string => {
    const verified = verifySocketPath(at);
    return verified.ok ? 'fine' : verified.error.code;
  };
  assert.equal(codeOf(), 'fine');
  assert.equal(codeOf(join(inner, 'none')), 'missing');
  assert.equal(codeOf(join(inner, 'none', 'socket')), 'missing');
  chmodSync(inner, 0o777);
  assert.equal(codeOf(), 'untrusted');
  chmodSync(inner, 0o1777);
  assert.equal(codeOf(), 'untrusted', 'a sticky folder still lets anybody add a socket');
  chmodSync(inner, 0o755);
  chmodSync(folder, 0o775);
  assert.equal(codeOf(), 'untrusted', 'the folder above could be exchanged');
  chmodSync(folder, 0o1777);
  assert.equal(codeOf(), 'fine', 'a sticky folder above, as /tmp, is fine');
  chmodSync(folder, 0o755);
  chownSync(path, 61999, 61999);
  assert.equal(codeOf(), 'untrusted');
  chownSync(path, 0, 0);
  chownSync(inner, 61999, 61999);
  assert.equal(codeOf(), 'untrusted');
  chownSync(inner, 0, 0);
  symlinkSync(path, join(inner, 'link'));
  assert.equal(codeOf(join(inner, 'link')), 'untrusted');
  symlinkSync(inner, join(folder, 'other'));
  assert.equal(codeOf(join(folder, 'other', 'socket')), 'untrusted');
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});

test('privileges are dropped in every thread, or the process is told', {
  skip: process.getuid?.() === 0 ? false : 'needs root',
}, () => {
  const script = fileURLToPath(new URL('./dropChild.ts', import.meta.url));
  const child = (...args: readonly string[]): Readonly<Record<string, unknown>> => {
    const ended = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8', cwd: '/' });
    assert.equal(ended.status, 0, ended.stderr);
    return JSON.parse(ended.stdout);
  };
  const told = child('61999', '61998', 'early');
  assert.deepEqual(told, {
    result: 'dropped',
    uid: 61999,
    gid: 61998,
    // The worker was started before the drop and cannot open what only root can.
    worker: 'EACCES',
    back: ['EPERM', 'EPERM'],
    again: 'ok',
    wrong: 'not-dropped',
  });
  // no_new_privs set by this thread only, after others were started: the verification sees the others.
  assert.equal(child('61999', '61998', 'late').result, 'not-dropped');
  assert.equal(child('0', '61998', 'early').result, 'refused');
  assert.equal(child('61999', '0', 'early').result, 'refused');
  assert.equal(child('4294967295', '61998', 'early').result, 'refused');
});
