/**
 * Whole conversations of EAP with packets that are wrong at random. TLS is a stand-in that hands on what it is given, so that what is inside the tunnels
 * is fuzzed as well. The gateway of these conversations does not know the password: MSCHAPv2 must never end well, whatever it says.
 */
import { concat, fromUtf8, toUtf8 } from '../../core/bytes/bytes.ts';
import { Reader } from '../../core/bytes/reader.ts';
import { Writer } from '../../core/bytes/writer.ts';
import { encodeAvps } from '../../core/ike/auth/eap/avp.ts';
import type { EapAsk, EapAskAnswer, EapConfig, EapOutput, EapPeer } from '../../core/ike/auth/eap/contract.ts';
import { encodeEap, parseEap } from '../../core/ike/auth/eap/packet.ts';
import { createEapPeer } from '../../core/ike/auth/eap/peer.ts';
import { type CaseResult, demand, runTarget } from './harness.ts';
import { mutateBytes, type Prng } from './mutate.ts';

/** Conversations of each kind. */
export const FULL_EAP = 4_000;

export function fuzzEap(runs: number, seed = 7296): CaseResult[] {
  return Object.entries(conversations).map(([name, { config, packets }], i) =>
    runTarget({
      suite: 'fuzz-eap',
      name,
      seed: seed + i,
      runs,
      input: (prng) => join(spoil(prng, packets)),
      check: (bytes) => holdOut(split(bytes), { ...base, ...config }),
    }),
  );
}

const base: EapConfig = {
  methods: ['mschapv2', 'tls', 'gtc', 'otp', 'md5', 'ttls', 'peap'],
  identity: 'alice',
  mutualOnly: false,
  inner: ['mschapv2'],
};

const NONE = new Uint8Array(0);
const request = (identifier: number, type: number, data: Uint8Array = NONE): Uint8Array => encodeEap(1, identifier, type, data);
const octets = (...values: number[]): Uint8Array => Uint8Array.from(values);

const msChap = (code: number, body: Uint8Array): Uint8Array =>
  new Writer()
    .u8(code)
    .u8(9)
    .u16(4 + body.length)
    .bytes(body)
    .finish();
const challenge = msChap(1, concat(octets(16), new Uint8Array(16).fill(3), fromUtf8('office')));
const proof = msChap(3, fromUtf8(`S=${'A1'.repeat(20)} M=OK`));
const refusal = msChap(4, fromUtf8(`E=691 R=1 C=${'5C'.repeat(16)} V=3 M=Again`));

/** Of the stand-in for TLS: a start, two flights, then one message for each of these. */
const inTunnel = (type: number, messages: readonly Uint8Array[]): Uint8Array[] => [
  request(1, type, octets(0x20)),
  request(2, type, concat(octets(0xc0, 0, 0, 0, 6), fromUtf8('fli'))),
  request(3, type, concat(octets(0), fromUtf8('ght'))),
  request(4, type, concat(octets(0), fromUtf8('finished'))),
  ...messages.map((message, i) => request(5 + i, type, concat(octets(0), message))),
];

const eapAvp = (packet: Uint8Array): Uint8Array => encodeAvps([{ vendor: 0, code: 79, data: packet }]);
const result = octets(0x80, 3, 0, 2, 0, 1);
const binding = concat(octets(0, 12, 0, 56, 0, 0, 0, 0), new Uint8Array(52).fill(9));

interface Conversation {
  readonly config?: Partial<EapConfig>;
  readonly packets: readonly Uint8Array[];
}

const conversations: Readonly<Record<string, Conversation>> = {
  mschapv2: {
    packets: [request(1, 1), request(2, 26, challenge), request(3, 26, refusal), request(4, 26, proof), octets(3, 4, 0, 4)],
  },
  'gtc, with much before it': {
    packets: [
      request(1, 1, fromUtf8('Who?\0realm')),
      request(2, 2, fromUtf8('Hello')),
      request(3, 18, octets(1, 2, 3)),
      request(4, 6, fromUtf8('Code')),
      request(5, 6, fromUtf8('Code')),
      octets(3, 5, 0, 4),
    ],
  },
  md5: {
    packets: [request(1, 1), request(4, 4, concat(octets(16), new Uint8Array(16), fromUtf8('office'))), octets(3, 4, 0, 4)],
  },
  otp: { config: { identity: undefined }, packets: [request(5, 5, fromUtf8('otp-md5 499 ke1234')), octets(3, 5, 0, 4)] },
  'eap-tls': { packets: [request(0, 1), ...inTunnel(13, [octets(0)]), octets(3, 5, 0, 4)] },
  'ttls with eap': {
    packets: [
      request(0, 1),
      ...inTunnel(21, [eapAvp(request(7, 26, challenge)), eapAvp(request(8, 26, refusal)), eapAvp(request(9, 26, proof))]),
      octets(3, 7, 0, 4),
    ],
  },
  'ttls with attributes': {
    config: { inner: ['mschapv2-attributes'] },
    packets: [
      ...inTunnel(21, [
        encodeAvps([
          { vendor: 311, code: 26, data: concat(octets(9), fromUtf8(`S=${'A1'.repeat(20)}`)) },
          { vendor: 0, code: 18, data: fromUtf8('Hello') },
        ]),
        encodeAvps([{ vendor: 311, code: 2, data: concat(octets(9), fromUtf8('E=691 R=0')) }]),
      ]),
      octets(3, 6, 0, 4),
    ],
  },
  'peap with gtc': {
    config: { inner: ['gtc', 'md5'] },
    packets: [
      request(0, 1),
      ...inTunnel(25, [octets(1), octets(26, 1), concat(octets(6), fromUtf8('Code')), request(7, 33, result)]),
      octets(3, 8, 0, 4),
    ],
  },
  peap: {
    packets: [
      request(0, 1),
      ...inTunnel(25, [
        octets(1),
        concat(octets(26), challenge),
        concat(octets(26), proof),
        request(7, 33, result),
        request(7, 33, concat(result, binding)),
      ]),
      octets(3, 9, 0, 4),
    ],
  },
};

const all = Object.values(conversations).flatMap(({ packets }) => packets);

/** Some packets changed, left out, repeated or from elsewhere; most of them with the lengths made right again, to get further in. */
function spoil(prng: Prng, packets: readonly Uint8Array[]): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (const packet of packets) {
    if (prng.oneIn(20)) continue;
    const changed = prng.oneIn(6) ? mutateBytes(prng, packet, all) : packet;
    out.push(changed !== packet && !prng.oneIn(3) ? mend(changed) : changed);
    if (prng.oneIn(20)) out.push(prng.pick(all));
    if (prng.oneIn(30)) out.push(changed);
  }
  return out;
}

function mend(packet: Uint8Array): Uint8Array {
  if (packet.length < 5 || packet.length > 0xffff) return packet;
  const out = packet.slice();
  out[0] = out[0] === 2 ? 1 : out[0];
  out[2] = out.length >>> 8;
  out[3] = out.length & 0xff;
  if (out[4] === 26 && out.length > 9) {
    out[7] = (out.length - 5) >>> 8;
    out[8] = (out.length - 5) & 0xff;
  }
  return out;
}

/** Drives the peer to the end of the packets. Returns how it ended. */
function holdOut(packets: readonly Uint8Array[], config: EapConfig): string {
  const peer = createEapPeer(config, (length) => new Uint8Array(length).fill(4));
  const tls = new TlsStandIn();
  for (const packet of packets) {
    peer.handle(packet);
    const { last, sent } = drain(peer, tls, packet);
    if (last === undefined) throw new Error('a packet without an answer');
    if (last.kind === 'failed') {
      demand(
        /^[\x20-\x7e\u00a0-\uffff\ud800-\udfff]{1,2000}$/.test(last.failure.evidence),
        `evidence: ${JSON.stringify(last.failure.evidence)}`,
      );
      demand(!last.failure.evidence.includes('hunter2'), 'what was typed is in the evidence');
      return last.failure.code;
    }
    if (last.kind === 'success') {
      demand(last.method !== 'mschapv2', 'MSCHAPv2 ended well without the password');
      const blind = config.inner.includes('gtc') || last.method === 'tls';
      demand(blind || !['ttls', 'peap'].includes(last.method), 'a tunnel ended well without the password');
      demand(last.msk === undefined || last.msk.length === 64, 'a key of another length');
      return `success ${last.method}`;
    }
    demand(sent, 'neither sent nor ended');
  }
  return 'open';
}

function drain(
  peer: EapPeer,
  tls: TlsStandIn,
  packet: Uint8Array,
): { readonly last: EapOutput | undefined; readonly sent: boolean } {
  let last: EapOutput | undefined;
  let sent = false;
  let asked = 0;
  for (let output = peer.poll(); output !== undefined; output = peer.poll()) {
    if (output.kind === 'log') {
      demand(output.text.length < 1000 && !/\p{Cc}/u.test(output.text), `log: ${JSON.stringify(output.text)}`);
      continue;
    }
    last = output;
    if (output.kind === 'send') {
      sent = true;
      checkSent(output.packet, packet);
    } else if (output.kind === 'ask') {
      asked++;
      demand(asked <= 4, 'more questions than a packet can be good for');
      peer.answer(answerTo(output.ask, tls));
    }
  }
  return { last, sent };
}

function checkSent(packet: Uint8Array, to: Uint8Array): void {
  const parsed = parseEap(packet);
  demand(parsed.ok && parsed.value.kind === 'response', 'what is sent is no response');
  demand(packet[1] === to[1], 'another identifier');
  demand(packet.length <= 1100, `a response of ${packet.length} octets`);
}

function answerTo(ask: EapAsk, tls: TlsStandIn): EapAskAnswer {
  if (ask.kind === 'tls') return tls.exchange(ask.received, ask.write);
  demand([...ask.text].length <= 256 && !/[\p{Cc}\p{Cf}]/u.test(ask.text), `text: ${JSON.stringify(ask.text)}`);
  return { kind: 'credential', value: Uint8Array.from(fromUtf8(ask.want === 'identity' ? 'alice' : 'hunter2')) };
}

/** After two messages it is open, and from then on gives everything through as it is. */
class TlsStandIn {
  #messages = 0;

  exchange(received: Uint8Array, write: Uint8Array): EapAskAnswer {
    if (received.length > 0) this.#messages++;
    const version = toUtf8(received).startsWith('finishe') ? 'TLSv1.3' : 'TLSv1.2';
    const state = this.#messages >= 2 ? 'open' : 'handshake';
    const opening = { version, keyMaterial: new Uint8Array(128).fill(8), challenge: new Uint8Array(17).fill(9) } as const;
    return {
      kind: 'tls',
      state,
      send: concat(fromUtf8('tls'), write),
      plain: this.#messages > 2 ? received : NONE,
      ...(state === 'open' ? opening : {}),
    };
  }
}

function join(packets: readonly Uint8Array[]): Uint8Array {
  const writer = new Writer();
  for (const packet of packets) writer.u32(packet.length).bytes(packet);
  return writer.finish();
}

function split(bytes: Uint8Array): Uint8Array[] {
  const reader = new Reader(bytes);
  const out: Uint8Array[] = [];
  while (reader.remaining > 0) out.push(reader.bytes(reader.u32()));
  return out;
}
