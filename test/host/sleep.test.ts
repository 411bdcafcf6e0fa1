/** The word that the computer is about to sleep, from a real system bus with a logind of the test's own, to the real engine. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { BUS_TYPE, decodeMessage, encodeMessage, encodeStrings } from '../../core/system/linux/dbusCodec.ts';
import { watchSleepNews } from '../../core/system/linux/sleepWatch.ts';
import { isolated, run } from './isolated.ts';
import { here, until } from './monitorScene.ts';

const SOCKET = '/run/dbus/system_bus_socket';
const MANAGER = 'org.freedesktop.login1.Manager';
const skip = existsSync('/usr/bin/dbus-daemon') ? false : 'dbus-daemon is not installed';

/** As Debian's for the system, as far as it matters here: all may connect, root may have names, signals are anybody's. */
const config = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=${SOCKET}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <policy user="root"><allow own="*"/></policy>
</busconfig>`;

/** Somebody on the bus who sends signals, with the name of logind or without. */
class Speaker {
  readonly socket: Socket;
  #serial = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
  }

  static async open(name?: string): Promise<Speaker> {
    const socket = connect(SOCKET);
    await once(socket, 'connect');
    socket.write('\0AUTH EXTERNAL 30\r\n');
    const [line] = await once(socket, 'data');
    assert.match(String(line), /^OK /);
    socket.write('BEGIN\r\n');
    const speaker = new Speaker(socket);
    await speaker.call('Hello', undefined, new Uint8Array());
    // DBUS_NAME_FLAG_DO_NOT_QUEUE is 4.
    if (name !== undefined) await speaker.call('RequestName', 'su', nameAndFlags(name, 4));
    return speaker;
  }

  async call(member: string, signature: string | undefined, body: Uint8Array): Promise<void> {
    const bus = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus' };
    this.#serial += 1;
    const answered = new Promise<void>((resolve, reject) => {
      let received = Buffer.alloc(0);
      const look = (bytes: Buffer): void => {
        received = Buffer.concat([received, bytes]);
        for (let one = decodeMessage(received); one !== undefined && one !== 'malformed'; one = decodeMessage(received)) {
          received = received.subarray(one.size);
          if (one.message.replySerial !== this.#serial) continue;
          this.socket.off('data', look);
          if (one.message.type === BUS_TYPE.RETURN) resolve();
          else reject(new Error(one.message.errorName));
        }
      };
      this.socket.on('data', look);
    });
    this.socket.write(encodeMessage(this.#serial, { type: BUS_TYPE.CALL, ...bus, member, signature, body }));
    await answered;
  }

  says(about: boolean, destination?: string): void {
    this.#serial += 1;
    const body = Uint8Array.of(about ? 1 : 0, 0, 0, 0);
    const what = { path: '/org/freedesktop/login1', interface: MANAGER, member: 'PrepareForSleep', signature: 'b', body };
    this.socket.write(encodeMessage(this.#serial, { type: BUS_TYPE.SIGNAL, ...what, destination }));
  }
}

function nameAndFlags(name: string, flags: number): Uint8Array {
  const text = encodeStrings(name);
  const out = new Uint8Array(Math.ceil(text.length / 4) * 4 + 4);
  out.set(text);
  out[out.length - 4] = flags;
  return out;
}

const buses: ChildProcess[] = [];

async function startBus(folder: string): Promise<ChildProcess> {
  const file = join(folder, 'bus.conf');
  writeFileSync(file, config);
  rmSync(SOCKET, { force: true });
  const bus = spawn('dbus-daemon', [`--config-file=${file}`, '--nofork', '--nopidfile'], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  buses.push(bus);
  await until('the bus', () => takesConnections());
  return bus;
}

/** Its socket is there before it listens. */
async function takesConnections(): Promise<boolean> {
  const socket = connect(SOCKET);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

if (isolated(import.meta.url)) {
  mkdirSync('/run/dbus', { recursive: true });
  run('mount', '-t', 'tmpfs', 'tmpfs', '/run/dbus');
  run('ip', 'link', 'set', 'lo', 'up');
  const folder = mkdtempSync('/run/sallyport-sleep-');
  chmodSync(folder, 0o755);
  test.after(() => {
    for (const bus of buses) bus.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  test('logind is heard, nobody else, and the end of the bus is told', { skip }, async () => {
    const bus = await startBus(folder);
    const said: string[] = [];
    watchSleepNews({
      onSleep: (about) => said.push(String(about)),
      onReady: () => said.push('ready'),
      onClosed: (why) => said.push(`closed: ${why}`),
    });
    await until('it listens', () => said.includes('ready'));
    const [logind, other] = await Promise.all([Speaker.open('org.freedesktop.login1'), Speaker.open()]);
    // Ours is the first connection there was, and all may know.
    other.says(true);
    for (const id of [0, 1, 2]) other.says(true, `:1.${id}`);
    await other.call('GetId', undefined, new Uint8Array());
    logind.says(true);
    logind.says(false);
    await until('both', () => said.length >= 3);
    assert.deepEqual(said, ['ready', 'true', 'false']);
    bus.kill('SIGKILL');
    await until('the end', () => said.length >= 4);
    assert.match(said[3], /^closed: /);
    for (const { socket } of [logind, other]) socket.destroy();
  });

  test('something else that listens there is left alone', async () => {
    for (const [greeting, why] of [
      ['REJECTED EXTERNAL\r\n', /does not take us/],
      ['x'.repeat(5000), /does not speak its protocol/],
      ['OK 0123\r\nxxxxxxxxxxxxxxxx', /what is no message/],
      ['OK 0123\r\nl\x02\x00\x01\xff\xff\xff\x7f\x00\x00\x00\x00\x00\x00\x00\x00', /what is no message/],
    ] as const) {
      const path = join(folder, 'other.sock');
      const script = `require('node:net').createServer((s) => { s.on('error', () => {}); s.write(Buffer.from(${JSON.stringify(greeting)}, 'latin1')); }).listen(${JSON.stringify(path)}, () => console.log('up'))`;
      const server = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(server.stdout, 'data');
      const closed = await new Promise<string>((resolve) =>
        watchSleepNews({ onSleep: () => resolve('asleep'), onClosed: resolve }, path),
      );
      assert.match(closed, why);
      server.kill('SIGKILL');
      rmSync(path, { force: true });
    }
  });

  test('the engine hears it, with a user of its own; without a bus it says so and serves', { skip }, async () => {
    // The bus takes users that the computer knows; the package makes this one.
    const passwd = join(folder, 'passwd');
    writeFileSync(passwd, 'root:x:0:0:root:/root:/bin/sh\nsallyport:x:61184:61184::/:/usr/sbin/nologin\n');
    run('mount', '--bind', passwd, '/etc/passwd');
    const bus = await startBus(folder);
    for (const there of [true, false]) {
      if (!there) {
        bus.kill('SIGKILL');
        rmSync(SOCKET, { force: true });
      }
      let said = '';
      const places = ['--run-dir', join(folder, 'run'), '--state-dir', join(folder, 'state'), '--log-level', 'debug'];
      const argv = [here('../../core/helper/monitor.ts'), ...places];
      const monitor = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'pipe'] });
      monitor.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      try {
        await until('the engine', () => said.includes('"text":"ready"'));
        if (there) {
          await until('it listens', () => said.includes('logind tells'));
          const logind = await Speaker.open('org.freedesktop.login1');
          logind.says(true);
          await until('asleep', () => said.includes('"the computer is about to sleep"'));
          logind.says(false);
          await until('awake', () => said.includes('is not about to sleep any more'));
          logind.socket.destroy();
        } else await until('no bus', () => /by the clocks alone.*ENOENT/.test(said));
      } finally {
        monitor.kill('SIGTERM');
        await once(monitor, 'exit');
      }
    }
  });
}
