/**
 * Forged reports of the network, ICMP's "port unreachable", about datagrams that were never sent, as fast as one process can:
 *
 *   node test/host/reportSender.ts '{"about":"192.0.2.2:4500","to":"198.51.100.2:4500"}'
 *
 * Says `ready`, sends until its standard input ends and then how many there were. Needs root: a raw socket.
 */
import { parseAddress } from '../../core/bytes/address.ts';
import { AF_INET, SOCK_CLOEXEC, SOCK_RAW } from '../../core/system/ffi/constants.ts';
import { errno, errnoName, socket } from '../../core/system/ffi/libc.ts';
import { packSockaddr } from '../../core/system/linux/sockaddr.ts';
import { internetChecksum } from '../unit/ip/judge.ts';
import { SendBatch } from './sendBatch.ts';

export interface ReportOrder {
  /** `address:port`, IPv4: who is told, and whom their datagram is said to have been for. */
  readonly about: string;
  readonly to: string;
}

const IPPROTO_ICMP = 1;
const perCall = 64;
/** Calls between looks at standard input. */
const callsPerTurn = 32;

const order: ReportOrder = JSON.parse(process.argv[2] ?? '{}');
const fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
if (fd < 0) throw new Error(`raw socket: ${errnoName(errno())}`);
const message = unreachable(order);
const [victim] = order.about.split(':');
const name = packSockaddr({ address: victim, port: 0 });
if (name === undefined) throw new Error(order.about);

const batch = new SendBatch(name, perCall, message.length);
for (let i = 0; i < perCall; i++) batch.data.bytes.set(message, i * message.length);

let sent = 0;
let ended = false;
process.stdin.on('end', () => {
  ended = true;
});
process.stdin.resume();
process.stdout.write('ready\n');
turn();

function turn(): void {
  for (let call = 0; call < callsPerTurn; call++) sent += Math.max(0, batch.send(fd));
  if (!ended) {
    setImmediate(turn);
    return;
  }
  process.stdout.write(`${sent}\n`);
  process.exit(0);
}

/** RFC 792: type 3, code 3, and the header of the datagram with eight octets behind it. */
function unreachable({ about, to: remote }: ReportOrder): Uint8Array {
  const bytes = new Uint8Array(8 + 20 + 8);
  bytes.set([3, 3]);
  const view = new DataView(bytes.buffer);
  bytes.set([0x45, 0, 1432 >>> 8, 1432 & 0xff, 0, 0, 0x40, 0, 60, 17], 8);
  for (const [i, end] of [about, remote].entries()) {
    const [address = '', port] = end.split(':');
    bytes.set(parseAddress(address) ?? [], 8 + 12 + 4 * i);
    view.setUint16(8 + 20 + 2 * i, Number(port));
  }
  view.setUint16(8 + 24, 1412);
  view.setUint16(8 + 10, internetChecksum(bytes.subarray(8, 28)));
  view.setUint16(2, internetChecksum(bytes));
  return bytes;
}
