/**
 * A peer that holds the keys and sends fragments of any number, total, size, order and content, forgeries between them: as the
 * answer to our request, and as a request. A second implementation of RFC 7383 §2.6, written from its text, says what must become of
 * each script.
 */
import { concat, toHex } from '../../core/bytes/bytes.ts';
import { deriveIkeKeys } from '../../core/ike/keys/ikeKeys.ts';
import { ikeSuite } from '../../core/ike/negotiation.ts';
import { parseProposals } from '../../core/ike/proposals.ts';
import type { IkeOutput } from '../../core/ike/sa/contract.ts';
import { IkeSa } from '../../core/ike/sa/ikeSa.ts';
import { Narrator } from '../../core/ike/sa/narrator.ts';
import { createProtection } from '../../core/ike/sa/protect.ts';
import { EXCHANGE, PAYLOAD } from '../../core/ike/wire/constants.ts';
import { encodePayloads } from '../../core/ike/wire/encode.ts';
import type { Header, Payload } from '../../core/ike/wire/message.ts';
import { parseMessage, parsePayloads } from '../../core/ike/wire/parse.ts';
import { seededRandom, timing } from '../exchange/world.ts';
import { type OwnMessage, ownMessage } from '../gateway/misbehaveFragment.ts';
import { breakLastOctet } from '../gateway/misbehaveTransport.ts';
import { type CaseResult, demand, runTarget } from './harness.ts';
import type { Prng } from './mutate.ts';

const SUITE = 'fuzz-fragment';
const PROPOSALS = ['aes128gcm16-prfsha256-x25519', 'aes256-sha256-x25519'];
const spis = { spiI: new Uint8Array(8).fill(0x11), spiR: new Uint8Array(8).fill(0x22) };
const FROM = { address: '198.51.100.1', port: 4500 };
const header = { ...spis, majorVersion: 2, minorVersion: 0, exchange: EXCHANGE.INFORMATIONAL, messageId: 0 };
/** The message that honest fragments are of. */
const honest: readonly Payload[] = [
  { kind: 'V', data: new Uint8Array(60).map((_, index) => index) },
  { kind: 'V', data: new Uint8Array(7).fill(9) },
];

/** One datagram, in four octets of the script. */
interface Step {
  readonly kind: 'piece' | 'rubbish' | 'forged' | 'whole' | 'clear' | 'named' | 'padding' | 'other id' | 'wait';
  readonly number: number;
  readonly total: number;
}

const KINDS: readonly Step['kind'][] = [
  ...new Array<'piece'>(20).fill('piece'),
  'rubbish',
  'forged',
  'forged',
  'whole',
  'clear',
  'named',
  'padding',
  'other id',
  'wait',
];
const TOTALS = [1, 2, 3, 3, 3, 4, 4, 5, 0, 256, 257, 0xffff];
const STEP_OCTETS = 4;

function script(prng: Prng): Uint8Array {
  const steps = 1 + prng.below(24);
  // Most steps are of one set, else few would ever be complete.
  const set = prng.below(8);
  return concat(
    ...Array.from({ length: steps }, () =>
      Uint8Array.of(prng.below(KINDS.length), prng.oneIn(5) ? prng.below(TOTALS.length) : set, prng.below(6), 0),
    ),
  );
}

function stepsOf(bytes: Uint8Array): readonly Step[] {
  return Array.from({ length: Math.floor(bytes.length / STEP_OCTETS) }, (_, index) => {
    const [kind, total, number] = bytes.subarray(index * STEP_OCTETS);
    return { kind: KINDS[kind % KINDS.length], total: TOTALS[total % TOTALS.length], number };
  });
}

/** The piece that belongs there, when the message is split in `total`. */
function pieceOf(inner: Uint8Array, { number, total, kind }: Step): Uint8Array {
  if (kind === 'rubbish') return new Uint8Array(11).fill(0xee);
  const length = Math.ceil(inner.length / Math.max(1, total));
  return inner.subarray((number - 1) * length, number * length);
}

/** `payloads N`, `broken`, or `nothing`; with how often something was given up for time. */
type Fate = string;

/** RFC 7383 §2.6 once more. `limit`: how long an incomplete set is kept. */
function expected(steps: readonly Step[], inner: Uint8Array, limit: number): Fate {
  let total = 0;
  let pieces = new Map<number, Uint8Array>();
  let until = Infinity;
  let now = 0;
  const judge = (plaintext: Uint8Array) => {
    const parsed = parsePayloads(PAYLOAD.V, plaintext);
    return parsed.ok ? `payloads ${parsed.value.length}` : 'broken';
  };
  for (const step of steps) {
    now += step.kind === 'wait' ? WAIT : 1;
    if (now >= until) {
      total = 0;
      pieces = new Map();
      until = Infinity;
    }
    if (step.kind === 'wait' || step.kind === 'forged' || step.kind === 'clear' || step.kind === 'other id') continue;
    if (step.kind === 'whole') return judge(inner);
    if (step.number === 0 || step.number > step.total) continue;
    if (step.kind === 'named' && step.number > 1) continue;
    if (step.total < total || (step.total === total && pieces.has(step.number))) continue;
    if (step.kind === 'padding' || step.total > 256) return 'broken';
    if (step.total > total) {
      total = step.total;
      pieces = new Map();
      until = now + limit;
    }
    pieces.set(step.number, pieceOf(inner, step));
    if (pieces.size === total) return judge(concat(...[...pieces].sort(([a], [b]) => a - b).map(([, piece]) => piece)));
  }
  return 'nothing';
}

const WAIT = 12_000;

function datagram(own: OwnMessage, other: OwnMessage, step: Step): Uint8Array {
  const { number, total } = step;
  const chunk = pieceOf(own.inner, step);
  switch (step.kind) {
    case 'whole':
      return own.bytes;
    case 'forged':
      return breakLastOctet(own.fragment(number, total, chunk));
    case 'clear':
      return own.fragment(number, total, chunk, { inTheClear: true });
    case 'named':
      return own.fragment(number, total, chunk, { first: PAYLOAD.V });
    case 'padding':
      return own.fragment(number, total, chunk, { padLength: 255 });
    case 'other id':
      return other.fragment(number, total, chunk);
    default:
      return own.fragment(number, total, chunk);
  }
}

/** The client's SA, and what the gateway can seal for it: answers to its request, or requests. */
function scene(text: string, response: boolean) {
  const parsed = parseProposals([text], 'ike');
  if (!parsed.ok) throw new Error(text);
  const suite = ikeSuite(parsed.value[0]);
  if (!suite) throw new Error(text);
  const nonces = { ni: new Uint8Array(32).fill(3), nr: new Uint8Array(32).fill(4) };
  const keys = () => deriveIkeKeys(suite, new Uint8Array(32).fill(5), nonces, spis);
  const outputs: IkeOutput[] = [];
  const emit = (output: IkeOutput) => void outputs.push(output);
  const sa = new IkeSa({
    role: 'initiator',
    ...spis,
    suite,
    keys: keys(),
    timing,
    random: seededRandom('client'),
    keyLog: false,
    version: '',
    channel: 'natt',
    remote: FROM,
    fragmentSize: 'usual',
    nextRequestId: 0,
    expectedRequestId: 0,
    handlers: {},
    closeWithoutChild: false,
    followPeer: false,
    emit,
    narrator: new Narrator(emit),
  });
  const random = seededRandom('gateway');
  const seal = (messageId: number): OwnMessage => {
    const flags = { initiator: false, version: false, response };
    const sealed: Header = { ...header, messageId, flags };
    const [bytes] = createProtection('responder', suite, keys(), random).seal(sealed, honest);
    const own = ownMessage(bytes, suite, keys(), random);
    if (!own) throw new Error('an own message that cannot be opened');
    return own;
  };
  return { sa, outputs, own: seal(0), other: seal(1) };
}

/** What the client makes of it. */
function actual(text: string, response: boolean, steps: readonly Step[]): Fate {
  const { sa, outputs, own, other } = scene(text, response);
  let fate: Fate = 'nothing';
  let now = 0;
  sa.authenticated(now);
  if (response) {
    const exchange = {
      exchange: EXCHANGE.INFORMATIONAL,
      build: () => [],
      process: (payloads: readonly Payload[]) => {
        fate = `payloads ${payloads.length}`;
      },
      malformed: () => {
        fate = 'broken';
      },
    };
    sa.request(exchange, now);
  }
  for (const step of steps) {
    const before = outputs.length;
    now += step.kind === 'wait' ? WAIT : 1;
    // A driver ticks when it is due; in between requests are repeated, which is none of this.
    if (!response) sa.tick(now);
    if (step.kind !== 'wait') {
      const bytes = datagram(own, other, step);
      const parsed = parseMessage(bytes);
      if (parsed.ok) sa.receive(parsed.value, bytes, 'natt', FROM, now);
    }
    if (!response) fate = fateOfRequest(outputs.slice(before)) ?? fate;
    if (fate !== 'nothing') break;
  }
  demand(outputs.filter(({ kind }) => kind === 'closed').length <= 1, 'more than one end');
  const stored = outputs.flatMap((output) => (output.kind === 'log' && /^received fragment/.test(output.text) ? [output] : []));
  demand(stored.length <= steps.length, 'more fragments than were sent');
  return fate;
}

/** Of the gateway's request: answered, or refused and the end. */
function fateOfRequest(outputs: readonly IkeOutput[]): Fate | undefined {
  if (outputs.some(({ kind }) => kind === 'closed')) return 'broken';
  const received = outputs.find((output) => output.kind === 'log' && output.text === 'received INFORMATIONAL request');
  if (received?.kind !== 'log') return undefined;
  const names = String(received.fields?.payloads ?? '');
  return `payloads ${names === '' ? 0 : names.split(' ').length}`;
}

function target(text: string, response: boolean, seed: number, runs: number): CaseResult {
  const { bytes: inner } = encodePayloads(honest);
  return runTarget({
    suite: SUITE,
    name: `${response ? 'answers' : 'requests'} in any fragments, ${text}`,
    seed,
    runs,
    input: script,
    check: (bytes) => {
      const steps = stepsOf(bytes);
      const should = expected(steps, inner, response ? Infinity : 30_000);
      const does = actual(text, response, steps);
      demand(does === should, `${does} instead of ${should}: ${JSON.stringify(steps)} ${toHex(bytes)}`);
      return should;
    },
  });
}

/** All targets of fragments. */
export function fuzzFragment(seed = 7383, runs = 1000): CaseResult[] {
  return PROPOSALS.flatMap((text, index) =>
    [true, false].map((response, way) => target(text, response, seed + 2 * index + way, runs)),
  );
}
