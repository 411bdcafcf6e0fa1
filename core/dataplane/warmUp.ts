/**
 * Packets through both lanes of this thread before any real one: code that has never run takes ten times as long, and the first thousand
 * packets of an idle tunnel would feel it (a ping 0.3 ms more). It is a self-test as well: what goes in must come out.
 */
import { equalBytes } from '../bytes/bytes.ts';
import type { EspBackend } from '../crypto/espCipher.ts';
import { byKeyword } from '../crypto/transforms.ts';
import type { PacketMemory } from '../ip/packetMemory.ts';
import type { DatagramBatch, Pieces, Tun, UdpSocket } from '../system/ports.ts';
import type { LaneChild } from './commands.ts';
import { Counters } from './counters.ts';
import { InboundLane } from './inboundLane.ts';
import { OutboundLane } from './outboundLane.ts';

const rounds = 4_000;

/** Throws when a packet does not come out as it went in. Nothing is left of it but compiled code. */
export function warmUp(backend: EspBackend): void {
  const child = ownChild();
  const wire = new Wire();
  const counters = new Counters();
  const random = (length: number): Uint8Array => new Uint8Array(length);
  const now = (): number => 0;
  const outbound = new OutboundLane({ backend, counters, random, keepaliveInterval: 0, clock: now, monotonic: now });
  const inbound = new InboundLane({ backend, counters, window: 64, clock: now, onIke: () => {}, capacity: 1 });
  const refused = outbound.install(child(1)) ?? inbound.install(child(2));
  if (refused !== undefined) throw new Error(`the lanes do not start: ${refused}`);
  outbound.tun = wire;
  outbound.socket4 = wire;
  inbound.tun = wire;
  for (let round = 0; round < rounds; round++) {
    wire.waiting = true;
    outbound.keepAlive();
    outbound.forward();
    inbound.receive(wire, 'natt');
  }
  outbound.clear();
  inbound.clear();
  if (wire.intact !== rounds) throw new Error(`the lanes spoil packets: ${wire.intact} of ${rounds} came out as they went in`);
}

/** An echo of 84 octets (RFC 792) between two addresses for documentation. */
const packet = Uint8Array.from({ length: 84 }, (_, i) => i);
packet.set([0x45, 0, 0, 84, 0, 1, 0x40, 0, 64, 1, 0x4f, 0x80, 192, 0, 2, 1, 192, 0, 2, 2, 8, 0]);

/** An SA from 192.0.2.1 to 192.0.2.2, as both of its ends see it: number 1 sends. */
function ownChild(): (end: 1 | 2) => LaneChild {
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
    remote: { address: '192.0.2.2', port: 4500 },
    keepalive: false,
    mtu: 1400,
    slot: 0,
  });
}

/** Device and socket at once: the packet waits at the device, is sent, comes back by the socket, and is written to the device. */
class Wire implements Tun, UdpSocket {
  readonly fd = -1;
  readonly features = { headers: true, tcp: true, udp: true, segmentation: true, coalescing: true };
  readonly lastError = '';
  waiting = false;
  intact = 0;
  readonly #sealed = new Uint8Array(256);
  #length = 0;

  read({ bytes }: PacketMemory, at: number): number {
    if (!this.waiting) return 0;
    this.waiting = false;
    bytes.fill(0, at, at + 10);
    bytes.set(packet, at + 10);
    return 10 + packet.length;
  }

  write({ bytes }: PacketMemory, { offset, length }: Pieces): boolean {
    if (equalBytes(bytes.subarray(offset[0] + 10, offset[0] + length[0]), packet)) this.intact++;
    return true;
  }

  send({ bytes }: PacketMemory, { offset, length, count }: DatagramBatch): number {
    this.#length = length[0];
    this.#sealed.set(bytes.subarray(offset[0], offset[0] + length[0]));
    return count;
  }

  sendDivisible(memory: PacketMemory, batch: DatagramBatch): number {
    return this.send(memory, batch);
  }

  receive({ bytes }: PacketMemory, batch: DatagramBatch): number {
    batch.offset[0] = batch.base;
    batch.length[0] = this.#length;
    batch.segment[0] = 0;
    batch.tos[0] = 0;
    bytes.set(this.#sealed.subarray(0, this.#length), batch.base);
    batch.count = 1;
    return 1;
  }

  reportedMtu(): number {
    return 0;
  }
}
