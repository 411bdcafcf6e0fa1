/**
 * A flood, as fast as one process can send:
 *
 *   node test/host/floodSender.ts '{"kind":"bad-icv","source":"192.0.2.1:4500","target":"192.0.2.2:4500","spi":4096,"ikeSpis":"11…"}'
 *
 * Sends until its standard input ends; then prints one JSON line {"datagrams","seconds"}. `{"pause":ms}` leaves time between calls. Runs of
 * datagrams go out with UDP_SEGMENT, several runs in one sendmmsg: nothing an ordinary process does is faster.
 */
import { errno, errnoName, setsockopt } from '../../core/system/ffi/libc.ts';
import { Pinned } from '../../core/system/ffi/memory.ts';
import { packSockaddr } from '../../core/system/linux/sockaddr.ts';
import { openUdp } from '../../core/system/linux/udp.ts';
import { type FloodTarget, floodKinds } from './floodKinds.ts';
import { SendBatch } from './sendBatch.ts';

export interface FloodOrder extends FloodTarget {
  readonly kind: string;
  /** `address:port`, IPv4; port 0 is any. */
  readonly source: string;
  readonly target: string;
}

const SOL_UDP = 17;
const UDP_SEGMENT = 103;
/** The kernel's UDP_MAX_SEGMENTS where it is least. */
const mostSegments = 64;
const runsPerCall = 4;
/** UDP over IPv4 carries no more. */
const mostOctets = 65_507;
/** Calls between looks at standard input. */
const callsPerTurn = 64;

const order: FloodOrder = JSON.parse(process.argv[2] ?? '{}');
const found = floodKinds.find(({ name }) => name === order.kind);
if (found === undefined) throw new Error(`no flood ${order.kind}`);
const kind = found;
const [address, port] = order.source.split(':');
const [targetAddress, targetPort] = order.target.split(':');
const opened = openUdp({ family: 4, address, port: Number(port) });
if (!opened.ok) throw new Error(opened.error.detail);
const { fd } = opened.value;
const to = packSockaddr({ address: targetAddress, port: Number(targetPort) });
if (to === undefined) throw new Error(order.target);

const segments = Math.min(mostSegments, Math.floor(mostOctets / kind.octets));
const segment = new Pinned(4);
segment.view.setInt32(0, kind.octets, true);
if (setsockopt(fd, SOL_UDP, UDP_SEGMENT, segment.address, 4) < 0) throw new Error(`UDP_SEGMENT: ${errnoName(errno())}`);

const batch = new SendBatch(to, runsPerCall, segments * kind.octets);
const { bytes } = batch.data;
for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 31 + (i >>> 8)) & 0xff;

let serial = 0;
let sent = 0;
let ended = false;
process.stdin.on('end', () => {
  ended = true;
});
process.stdin.resume();
const started = performance.now();
process.stdout.write('{"ready":true}\n');
turn();

function turn(): void {
  for (let call = 0; call < callsPerTurn; call++) {
    for (let at = 0; at < bytes.length; at += kind.octets) kind.fill(bytes, at, serial++, order);
    // Waits for room in the queue: what a sender can, no more. ECONNREFUSED and the like are reports about datagrams before.
    const runs = batch.send(fd);
    if (runs > 0) sent += runs * segments;
  }
  if (!ended) {
    setImmediate(turn);
    return;
  }
  process.stdout.write(`${JSON.stringify({ datagrams: sent, seconds: (performance.now() - started) / 1000 })}\n`);
  process.exit(0);
}
