/**
 * Sends given datagrams, from standard input one JSON line each: {"source":"192.0.2.3:0","target":"192.0.2.2:4500","datagrams":["ff"],"run":0}.
 * With `run` they go out as one run of that many octets each (UDP_SEGMENT), the last may be shorter. Answers each line with a line.
 */
import { createInterface } from 'node:readline';
import { concat, fromHex } from '../../core/bytes/bytes.ts';
import { IOVEC, MSGHDR } from '../../core/system/ffi/layouts.ts';
import { errno, errnoName, sendmsg, setsockopt } from '../../core/system/ffi/libc.ts';
import { Pinned } from '../../core/system/ffi/memory.ts';
import { packSockaddr, sockaddrLength } from '../../core/system/linux/sockaddr.ts';
import { openUdp } from '../../core/system/linux/udp.ts';

export interface SendOrder {
  /** `address:port`, IPv4; port 0 is any. */
  readonly source: string;
  readonly target: string;
  /** In hex. */
  readonly datagrams: readonly string[];
  readonly run?: number;
}

const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const sockets = new Map<string, number>();
const room = new Pinned(65_536);
const vector = new Pinned(IOVEC.size);
const message = new Pinned(MSGHDR.size);
const segment = new Pinned(4);

for await (const line of createInterface({ input: process.stdin })) {
  const order: SendOrder = JSON.parse(line);
  const fd = socketFor(order.source);
  const datagrams = order.datagrams.map((hex) => fromHex(hex) ?? new Uint8Array(0));
  segment.view.setInt32(0, order.run ?? 0, true);
  if (setsockopt(fd, SOL_UDP, UDP_SEGMENT, segment.address, 4) < 0) throw new Error(`UDP_SEGMENT: ${errnoName(errno())}`);
  for (const octets of order.run === undefined ? datagrams : [concat(...datagrams)]) send(fd, order.target, octets);
  process.stdout.write('done\n');
}

function socketFor(source: string): number {
  const known = sockets.get(source);
  if (known !== undefined) return known;
  const [address, port] = source.split(':');
  const opened = openUdp({ family: 4, address, port: Number(port) });
  if (!opened.ok) throw new Error(opened.error.detail);
  sockets.set(source, opened.value.fd);
  return opened.value.fd;
}

function send(fd: number, target: string, octets: Uint8Array): void {
  const [address, port] = target.split(':');
  const to = packSockaddr({ address, port: Number(port) });
  if (to === undefined) throw new Error(target);
  const name = new Pinned(to);
  room.bytes.set(octets);
  vector.setPointer(IOVEC.offset.base, room.address);
  vector.setSize(IOVEC.offset.length, octets.length);
  message.setPointer(MSGHDR.offset.name, name.address);
  message.view.setUint32(MSGHDR.offset.nameLength, sockaddrLength(to), true);
  message.setPointer(MSGHDR.offset.iov, vector.address);
  message.setSize(MSGHDR.offset.iovLength, 1);
  // Once more where an ICMP message about an earlier one was reported instead.
  if (sendmsg(fd, message.address, 0) < 0 && sendmsg(fd, message.address, 0) < 0)
    throw new Error(`sendmsg: ${errnoName(errno())}`);
}
