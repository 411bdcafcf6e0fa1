/** What floods are made of: one datagram of each kind, and what changes from one to the next. Pure, so that the counters of each can be foretold. */

export interface FloodTarget {
  /** The SPI that the victim receives on. */
  readonly spi: number;
  /** SPIs of the IKE SA, 16 octets in hex. */
  readonly ikeSpis: string;
}

export interface FloodKind {
  readonly name: string;
  /** Octets of each datagram. */
  readonly octets: number;
  /** Fills datagram number `serial` at `at`; what was there is the datagram of some number before, or zeros. */
  readonly fill: (bytes: Uint8Array, at: number, serial: number, target: FloodTarget) => void;
}

/** A full packet of the tunnels in tests, so that it meets genuine ones in one run of GRO. */
const fullPacket = 1432;

export const floodKinds: readonly FloodKind[] = [
  {
    name: 'random',
    octets: fullPacket,
    fill(bytes, at, serial) {
      // xorshift: enough for octets that fit nothing; the rest of the datagram stays as it was.
      let state = (serial * 0x9e3779b1 + 0x7f4a7c15) | 0;
      for (let i = 0; i < 16; i += 4) {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        putWord(bytes, at + i, state);
      }
    },
  },
  {
    name: 'bad-icv',
    octets: fullPacket,
    fill: (bytes, at, serial, { spi }) => esp(bytes, at, spi, 0x7000_0000 + (serial & 0xfffffff)),
  },
  {
    name: 'bad-icv-small',
    octets: 100,
    fill: (bytes, at, serial, { spi }) => esp(bytes, at, spi, 0x7000_0000 + (serial & 0xfffffff)),
  },
  // The window has long passed number 1: nothing but the number is looked at.
  { name: 'replay', octets: fullPacket, fill: (bytes, at, _, { spi }) => esp(bytes, at, spi, 1) },
  {
    name: 'unknown-spi',
    octets: fullPacket,
    fill: (bytes, at, serial, { spi }) => esp(bytes, at, (spi ^ 0x5a5a0000) + 1 + (serial & 0xff), serial),
  },
  {
    name: 'keepalive',
    octets: 1,
    fill(bytes, at) {
      bytes[at] = 0xff; // RFC 3948 §2.3
    },
  },
  {
    name: 'ike',
    octets: 300,
    fill(bytes, at, serial, { ikeSpis }) {
      request(bytes, at, serial, 296);
      for (let i = 0; i < 16; i++) bytes[at + 4 + i] = Number.parseInt(ikeSpis.slice(2 * i, 2 * i + 2), 16);
    },
  },
  // Behind the marker, nothing of whom we know: zeros, which no version of IKE begins with, and what looks right.
  { name: 'zeros', octets: fullPacket, fill: (bytes, at) => void bytes.fill(0, at, at + 36) },
  { name: 'zeros-small', octets: 36, fill: (bytes, at) => void bytes.fill(0, at, at + 36) },
  {
    name: 'ike-strangers',
    octets: fullPacket,
    fill: (bytes, at, serial) => request(bytes, at, serial, fullPacket - 4),
  },
  {
    name: 'ike-strangers-small',
    octets: 36,
    fill: (bytes, at, serial) => request(bytes, at, serial, 32),
  },
];

/** RFC 7296 §3.1: a request of an INFORMATIONAL exchange whose first payload is SK, with the flag of the original initiator not set; each of another SA. */
function request(bytes: Uint8Array, at: number, serial: number, octets: number): void {
  putWord(bytes, at, 0); // RFC 3948 §2.2
  for (let i = 4; i < 20; i += 4) putWord(bytes, at + i, 0x77770000 + (serial & 0xffff));
  putWord(bytes, at + 20, 0x2e202500);
  putWord(bytes, at + 24, serial & 0xff);
  putWord(bytes, at + 28, octets);
  putWord(bytes, at + 32, octets - 28);
}

function esp(bytes: Uint8Array, at: number, spi: number, sequence: number): void {
  putWord(bytes, at, spi);
  putWord(bytes, at + 4, sequence);
}

function putWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
