/**
 * Packets through both lanes of this thread before any real one: code that has never run takes ten times as long, and the first thousand
 * packets of an idle tunnel would feel it (a ping 0.3 ms more). They pass real descriptors, a socket of the loopback device and one end
 * of a pair in place of the TUN, since half of that code is in the adapters. It is a self-test as well: what goes in must come out.
 */
import { equalBytes } from '../bytes/bytes.ts';
import type { EspBackend } from '../crypto/espCipher.ts';
import { byKeyword } from '../crypto/transforms.ts';
import { packetMemory } from '../ip/simdMemory.ts';
import { Loopback } from '../system/linux/loopback.ts';
import type { LaneChild } from './commands.ts';
import { Counters } from './counters.ts';
import { InboundLane } from './inboundLane.ts';
import { OutboundLane } from './outboundLane.ts';

const rounds = 4_000;
/** Milliseconds that a datagram may take to come back to the socket it left: a loopback device that is down, or behind a filter, loses it. */
const patience = 100;
const maxStrangers = 16;

/**
 * Throws when a packet does not come out as it went in. Nothing is left of it but compiled code. False on a machine without a loopback
 * device of use: then the first packets are slower, and that is all.
 */
export function warmUp(backend: EspBackend): boolean {
  const loopback = Loopback.open();
  if (loopback === undefined) return false;
  try {
    return run(backend, loopback);
  } finally {
    loopback.close();
  }
}

function run(backend: EspBackend, loopback: Loopback): boolean {
  const { tun, host, udp, endpoint } = loopback;
  const child = ownChild(endpoint);
  const counters = new Counters();
  const random = (length: number): Uint8Array => new Uint8Array(length);
  const outbound = new OutboundLane({
    ...{ backend, counters, random, keepaliveInterval: 20_000 },
    ...{ clock: Date.now, monotonic: () => performance.now() },
  });
  const inbound = new InboundLane({ backend, counters, window: 64, clock: Date.now, onIke: () => {}, capacity: 1 });
  const refused = outbound.install(child(1)) ?? inbound.install(child(2));
  if (refused !== undefined) throw new Error(`the lanes do not start: ${refused}`);
  outbound.tun = tun;
  outbound.socket4 = udp;
  inbound.tun = tun;
  const memory = packetMemory(2 * room);
  memory.bytes.set(packet);
  const sent = { offset: Uint32Array.of(0), length: Uint32Array.of(packet.length), count: 1 };
  for (let round = 0; round < rounds; round++) {
    host.write(memory, sent);
    loopback.await('tun', outbound.timeout());
    outbound.keepAlive();
    outbound.forward();
    let length = 0;
    // Anybody on this machine may send to the socket too; what they send is dropped as it would be later.
    for (let strangers = 0; length === 0; strangers++) {
      if (strangers === maxStrangers || !loopback.await('udp', patience)) return false;
      inbound.receive(udp, 'natt');
      length = host.read(memory, room, room);
    }
    if (!equalBytes(memory.bytes.subarray(room, room + length), packet)) throw new Error('the lanes spoil packets');
  }
  outbound.clear();
  inbound.clear();
  return true;
}

/** Octets for one packet. */
const room = 256;

/** An echo of 84 octets (RFC 792) between two addresses for documentation. */
const packet = Uint8Array.from({ length: 84 }, (_, i) => i);
packet.set([0x45, 0, 0, 84, 0, 1, 0x40, 0, 64, 1, 0x4f, 0x80, 192, 0, 2, 1, 192, 0, 2, 2, 8, 0]);

/** An SA from 192.0.2.1 to 192.0.2.2, as both of its ends see it: number 1 sends. */
function ownChild(remote: LaneChild['remote']): (end: 1 | 2) => LaneChild {
  const encr = byKeyword('aes256gcm16');
  if (encr?.type !== 1) throw new Error('no AES-GCM in the table of transforms');
  const host = (last: number): LaneChild['localSelectors'] => {
    const address = Uint8Array.of(192, 0, 2, last);
    return [{ type: 'ipv4', protocol: 0, startPort: 0, endPort: 65_535, start: address, end: address }];
  };
  return (end) => ({
    spiIn: 0x1000,
    spi: 0x1000,
    encr,
    integ: undefined,
    esn: false,
    keys: { encryption: new Uint8Array(encr.keyBytes + encr.saltBytes), integrity: new Uint8Array(0) },
    localSelectors: host(end),
    remoteSelectors: host(3 - end),
    remote,
    keepalive: true,
    mtu: 1400,
    slot: 0,
  });
}
