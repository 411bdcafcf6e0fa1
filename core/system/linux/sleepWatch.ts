/**
 * The news that the computer is about to sleep, from logind by the system bus (org.freedesktop.login1(5), PrepareForSleep). Nothing is asked
 * of logind but to be heard: what is done before a sleep takes no time, so that none is asked for (`Inhibit`).
 */
import { connect } from 'node:net';
import { concat } from '../../bytes/bytes.ts';
import { BUS_TYPE, type BusMessage, decodeMessage, encodeMessage, encodeStrings } from './dbusCodec.ts';

const SYSTEM_BUS = '/run/dbus/system_bus_socket';
const BUS = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus' } as const;
const MANAGER = 'org.freedesktop.login1.Manager';
/** The bus sees to it that it is logind who says so: whoever has its name. */
const RULE = `type='signal',sender='org.freedesktop.login1',interface='${MANAGER}',member='PrepareForSleep'`;
/** Octets before the bus must have said that it takes us. */
const MOST_GREETING = 4096;

export interface SleepWatch {
  /** True: it is about to. False: it did, or will not. */
  readonly onSleep: (about: boolean) => void;
  /** It is listened to from here on. */
  readonly onReady?: () => void;
  /** There is no bus, or no more; in words. Nothing more comes. */
  readonly onClosed: (why: string) => void;
}

/** Keeps nothing alive. */
export function watchSleepNews(watch: SleepWatch, path = SYSTEM_BUS): void {
  const socket = connect(path);
  let received: Uint8Array = new Uint8Array(0);
  let greeted = false;
  let over = false;

  function end(why: string): void {
    if (over) return;
    over = true;
    socket.destroy();
    watch.onClosed(why);
  }

  function call(serial: number, member: string, ...values: readonly string[]): void {
    const body = encodeStrings(...values);
    const signature = values.length === 0 ? undefined : 's'.repeat(values.length);
    socket.write(encodeMessage(serial, { type: BUS_TYPE.CALL, ...BUS, member, signature, body }));
  }

  /** The line that answers our EXTERNAL; what follows it is messages. */
  function greeting(): boolean {
    const end_ = received.indexOf(0x0a);
    if (end_ < 0) {
      if (received.length > MOST_GREETING) end('the bus does not speak its protocol');
      return false;
    }
    const line = new TextDecoder().decode(received.subarray(0, end_)).trim();
    received = received.slice(end_ + 1);
    if (!line.startsWith('OK ')) {
      end('the bus does not take us');
      return false;
    }
    greeted = true;
    socket.write('BEGIN\r\n');
    call(1, 'Hello');
    call(2, 'AddMatch', RULE);
    return true;
  }

  function heard(message: BusMessage): void {
    if (message.type === BUS_TYPE.ERROR) end(`the bus refuses: ${message.errorName ?? 'an error'}`);
    else if (message.type === BUS_TYPE.RETURN && message.replySerial === 2) watch.onReady?.();
    // A signal that is sent to us alone goes by no rule: anybody may have sent it.
    else if (message.type === BUS_TYPE.SIGNAL && message.destination === undefined) signalled(message);
  }

  function signalled({ interface: name, member, signature, body }: BusMessage): void {
    if (name !== MANAGER || member !== 'PrepareForSleep' || signature !== 'b' || body.length !== 4) return;
    // A truth value has four octets, in either order.
    watch.onSleep(body.some((octet) => octet !== 0));
  }

  socket.unref();
  socket.on('error', (error) => end(error.message));
  socket.on('close', () => end('the bus has closed the connection'));
  socket.on('connect', () => {
    const uid = Buffer.from(String(process.getuid?.() ?? 0)).toString('hex');
    socket.write(`\0AUTH EXTERNAL ${uid}\r\n`);
  });
  socket.on('data', (bytes) => {
    received = concat(received, bytes);
    if (!greeted && !greeting()) return;
    for (let decoded = decodeMessage(received); decoded !== undefined && !over; decoded = decodeMessage(received)) {
      if (decoded === 'malformed') return end('the bus sends what is no message');
      received = received.slice(decoded.size);
      heard(decoded.message);
    }
  });
}
