/** Everything else that strangers and users hand in: RPC frames, profile files, ESP packets, the packets inside them. */
import { isDeepStrictEqual } from 'node:util';
import { concat, fromUtf8, toHex, toUtf8 } from '../../core/bytes/bytes.ts';
import { nodeEspBackend } from '../../core/crypto/node/esp.ts';
import { InboundSa } from '../../core/esp/inbound.ts';
import { OutboundSa } from '../../core/esp/outbound.ts';
import { InnerHeader, opaque } from '../../core/ip/header.ts';
import { importProfile } from '../../core/profile/import.ts';
import { parseJson } from '../../core/profile/json.ts';
import { createFrameDecoder, decodeFrame, encodeFrame } from '../../core/rpc/framing.ts';
import { openOne, sealOne } from '../unit/esp/one.ts';
import { ipv4Packet, keysFor, octets, suiteOf } from '../unit/esp/suites.ts';
import { profileText } from '../unit/profile/sample.ts';
import { type CaseResult, demand, runTarget } from './harness.ts';
import { createPrng, mutateBytes, type Prng } from './mutate.ts';

export interface InputRuns {
  readonly frames: number;
  readonly profiles: number;
  readonly packets: number;
}

export const FULL_INPUTS: InputRuns = { frames: 20_000, profiles: 20_000, packets: 20_000 };

export function fuzzInputs(runs: InputRuns, seed = 7296): CaseResult[] {
  return [
    fuzzFrames(runs.frames, seed),
    fuzzProfiles(runs.profiles, seed + 1),
    ...['aes256gcm16-esn', 'aes128-sha256', 'chacha20poly1305'].map((suite, i) =>
      fuzzEsp(suite, Math.ceil(runs.packets / 4), seed + 2 + i),
    ),
    fuzzInner(runs.packets, seed + 9),
  ];
}

const FRAME_LIMIT = 4096;

/** A stream gives the same frames however it is cut, no more octets than it has, and any frame is a value or none. */
function fuzzFrames(runs: number, seed: number): CaseResult {
  const requests = [
    { id: 1, method: 'hello', params: { protocol: 1, client: 'fuzz' } },
    { id: 2, method: 'profile.import', params: { text: profileText() } },
    { event: 'status', data: { state: 'idle', since: 1, virtualIps: ['10.0.0.1', 'fd00::1'] } },
  ];
  const frames = requests.map((request) => encodeFrame(request) ?? new Uint8Array(0));
  return runTarget({
    suite: 'fuzz-rpc',
    name: 'streams of frames',
    seed,
    runs,
    input: (prng) => mutateBytes(prng, concat(...Array.from({ length: 1 + prng.below(4) }, () => prng.pick(frames))), frames),
    check: (bytes, prng) => {
      const whole = decodeStream([bytes]);
      const cut = decodeStream(pieces(prng, bytes));
      demand(isDeepStrictEqual(whole, cut), 'another result when cut into pieces');
      const length = whole.frames.reduce((sum, frame) => sum + 4 + frame.length / 2, 0);
      demand(length <= bytes.length, 'more octets than came');
      return whole.failed ? 'too long' : whole.partial ? 'incomplete' : 'complete';
    },
  });
}

function decodeStream(stream: readonly Uint8Array[]): { frames: string[]; failed: boolean; partial: boolean } {
  const decoder = createFrameDecoder(FRAME_LIMIT);
  const frames: string[] = [];
  for (const piece of stream) {
    const result = decoder.push(piece, (frame) => {
      demand(frame.length <= FRAME_LIMIT, `a frame of ${frame.length} octets`);
      decodeFrame(frame);
      frames.push(toHex(frame));
    });
    if (!result.ok) return { frames, failed: true, partial: false };
  }
  return { frames, failed: false, partial: decoder.partial() };
}

function pieces(prng: Prng, bytes: Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + prng.below(prng.oneIn(2) ? 4 : 200);
    out.push(bytes.subarray(at, at + length));
    at += length;
  }
  return out;
}

const SECRET = 'zebra-quagga-okapi-giraffe-4711';

/** A file is a profile or one line about what is wrong; no part of the secret is in what is said. Our JSON takes nothing that JSON.parse refuses. */
function fuzzProfiles(runs: number, seed: number): CaseResult {
  const seeds = [
    profileText({ auth: { method: 'psk', secret: SECRET } }),
    profileText({
      auth: { method: 'psk', secret: SECRET },
      remoteId: '%any',
      ikeProposals: ['aes256gcm16-prfsha256-x25519'],
      espProposals: ['aes256gcm16'],
      remoteNetworks: ['10.1.0.0/16', '2001:db8::/32'],
      ipv6: false,
      mtu: 1400,
      liveness: 30,
      localPort: 'any',
    }),
    JSON.stringify(
      { sallyport: 1, auth: { secret: SECRET }, deep: [[[[[[1e300]]]]]], name: 'B\u00fcro "\\\u2028"', other: null },
      undefined,
      1,
    ),
  ].map(fromUtf8);
  return runTarget({
    suite: 'fuzz-profile',
    name: 'profile files',
    seed,
    runs,
    input: (prng) => mutateBytes(prng, prng.pick(seeds), seeds),
    check: (bytes) => {
      const text = toUtf8(bytes);
      const json = parseJson(text);
      if (json.ok) demand(isDeepStrictEqual(plain(json.value), plain(JSON.parse(text))), 'another value than JSON.parse');
      const result = importProfile(text);
      const said = result.ok ? JSON.stringify([result.value.notes, result.value.profile]) : result.error.detail;
      // Where the mutation carried the secret into another field, that field may be named with its value.
      demand(leaks(text.replace(SECRET, '')) || !leaks(said), `a part of the secret is told: ${said}`);
      demand(result.ok || (!/[\n\r]/.test(said) && said.length < 2000 && said.length > 0), `not one line: ${said}`);
      return result.ok ? 'imported' : json.ok ? 'refused' : 'no JSON';
    },
  });
}

/** Objects without prototype compare with ordinary ones. */
function plain(value: unknown): unknown {
  return JSON.stringify(value);
}

function leaks(text: string): boolean {
  for (let at = 0; at + 8 <= SECRET.length; at++) if (text.includes(SECRET.slice(at, at + 8))) return true;
  return false;
}

const GUARD = 64;

/** Forged packets are never opened and move nothing: every genuine one, in order, still is. Nothing outside the packet is written. */
function fuzzEsp(suiteText: string, runs: number, seed: number): CaseResult {
  const suite = suiteOf(suiteText);
  const cipher = () => {
    const made = nodeEspBackend.cipher(suite, keysFor(suite));
    if (made === undefined) throw new Error(`no cipher for ${suiteText}`);
    return made;
  };
  const prng = createPrng(seed);
  const spi = 0xc0ffee01;
  const out = new OutboundSa({ spi, cipher: cipher(), esn: suite.esn, random: (length) => octets(length, prng.u32()) });
  const into = new InboundSa({ spi, cipher: cipher(), esn: suite.esn, window: 64 });
  const genuine = Array.from({ length: 64 }, (_, i) => sealed(out, ipv4Packet(20 + 13 * i)));
  const own = new Set(genuine.map(toHex));
  let next = 0;
  return runTarget({
    suite: 'fuzz-esp',
    name: `forged packets, ${suiteText}`,
    seed,
    runs,
    input: (random) => mutateBytes(random, random.pick(genuine), genuine),
    check: (bytes, random) => {
      const buffer = new Uint8Array(bytes.length + 2 * GUARD).fill(0x5a);
      buffer.set(bytes, GUARD);
      const verdict = own.has(toHex(bytes)) ? 'unchanged' : openOne(into, buffer, GUARD, bytes.length);
      demand(verdict !== 'ok' && verdict !== 'dummy', `a forged packet is ${verdict}`);
      demand(
        buffer.every((octet, i) => octet === 0x5a || (i >= GUARD && i < GUARD + bytes.length)),
        'written outside the packet',
      );
      if (random.oneIn(Math.ceil(runs / 70)) && next < genuine.length) {
        const packet = genuine[next++].slice();
        demand(openOne(into, packet, 0, packet.length) === 'ok', `genuine packet ${next} is not opened any more`);
      }
      return verdict;
    },
  });
}

function sealed(sa: OutboundSa, inner: Uint8Array): Uint8Array {
  const buffer = new Uint8Array(sa.headBytes + inner.length + sa.tailBytes);
  buffer.set(inner, sa.headBytes);
  return buffer.slice(0, sealOne(sa, buffer, sa.headBytes, inner.length, 4));
}

/** Every field read from a packet is a number in its range, or the packet is refused. Octets behind the packet play no part. */
function fuzzInner(runs: number, seed: number): CaseResult {
  const seeds = [ipv4Packet(60), ipv6Packet([]), ipv6Packet([0, 60, 43]), ipv6Packet([44]), ipv6Packet([0, 44, 60])];
  return runTarget({
    suite: 'fuzz-ip',
    name: 'inner packets',
    seed,
    runs,
    input: (prng) => mutateBytes(prng, prng.pick(seeds), seeds),
    check: (bytes) => {
      const header = new InnerHeader();
      const fault = header.read(bytes, 0, bytes.length);
      const padded = new Uint8Array(bytes.length + GUARD).fill(0xff);
      padded.set(bytes, 7);
      const again = new InnerHeader();
      demand(again.read(padded, 7, bytes.length) === fault, 'octets around the packet play a part');
      if (fault !== undefined) return fault;
      demand(isDeepStrictEqual(again, header), 'octets around the packet play a part');
      demand(header.totalLength >= 20 && header.totalLength <= bytes.length, `total length ${header.totalLength}`);
      for (const [value, max] of [
        [header.protocol, 0xff],
        [header.sourcePort, 0xffff],
        [header.destinationPort, 0xffff],
      ])
        demand(Number.isInteger(value) && value <= max && (value >= 0 || value === opaque), `field ${value}`);
      return `version ${header.version}`;
    },
  });
}

/** UDP behind extension headers of these types, each of eight octets. */
function ipv6Packet(extensions: readonly number[]): Uint8Array {
  const chain = [...extensions, 17];
  const parts = extensions.map((_, i) => Uint8Array.of(chain[i + 1], 0, 0, 0, 0, 0, 0, 0));
  const udp = Uint8Array.of(0x03, 0xe8, 0x07, 0xd0, 0, 8, 0, 0);
  const body = concat(...parts, udp);
  const head = new Uint8Array(40).fill(0x20, 8);
  head.set([0x60, 0, 0, 0, body.length >>> 8, body.length, chain[0], 64]);
  return concat(head, body);
}
