/**
 * A live IKE SA under hostile datagrams: mutated copies of every datagram of its own dialogue, those still to come included. A
 * client and a head office run the same dialogue undisturbed and disturbed, on a virtual clock and with the same random numbers;
 * unauthenticated garbage must not change what the client does, nor keep the dialogue from its end.
 */
import { toHex } from '../../core/bytes/bytes.ts';
import type { Channel, Endpoint, IkeConfig, IkeOutput } from '../../core/ike/sa/contract.ts';
import { createInitiator } from '../../core/ike/sa/initiator.ts';
import { parseMessage } from '../../core/ike/wire/parse.ts';
import { selectorFromCidr } from '../../core/ike/wire/selectorText.ts';
import type { HeadOfficeConfig } from '../gateway/config.ts';
import { Conversation } from '../gateway/conversation.ts';
import { clientConfig, officeConfig, seededRandom } from '../gateway/fixtures.ts';
import { createHeadOffice } from '../gateway/responder.ts';
import { messageSeeds } from './corpus.ts';
import { type CaseResult, demand, runTarget } from './harness.ts';
import { createPrng, type Prng } from './mutate.ts';
import { mutateMessage } from './mutateIke.ts';

const SUITE = 'fuzz-ike';
const CLIENT: Readonly<Record<Channel, Endpoint>> = {
  ike: { address: '203.0.113.7', port: 61_000 },
  natt: { address: '203.0.113.7', port: 61_001 },
};
const GATEWAY: Readonly<Record<Channel, Endpoint>> = {
  ike: { address: '198.51.100.10', port: 500 },
  natt: { address: '198.51.100.10', port: 4500 },
};
const STRANGER: Endpoint = { address: '192.0.2.66', port: 4500 };

/** The points of the dialogue at which somebody may interfere. */
const stages = ['auth', 'established', 'after liveness'] as const;
type Stage = (typeof stages)[number];
type Disturb = (stage: Stage, conversation: Conversation) => void;

interface Dialogue {
  readonly conversation: Conversation;
  /** Every datagram of both sides. */
  readonly datagrams: readonly Uint8Array[];
}

/** Both sides have much to say and fragment it (RFC 7383). */
const longClient: IkeConfig = {
  ...clientConfig,
  fragmentation: 'force',
  remoteSelectors: Array.from({ length: 60 }, (_, index) => selectorFromCidr(`10.10.${index}.0/24`)).filter(
    (one) => one !== undefined,
  ),
};
const longOffice: HeadOfficeConfig = {
  ...officeConfig,
  fragmentation: 'force',
  changeAuth: (payloads) => [...payloads, { kind: 'V', data: new Uint8Array(900).fill(0x61) }],
};

/** Cookies and puzzles, before IKE_AUTH too (RFC 8019). */
const underLoad: Partial<HeadOfficeConfig> = { cookie: 'always', puzzle: { difficulty: 4, auth: 4 } };

/** Connects, asks whether the peer lives, hangs up. */
function hold(disturb: Disturb = () => {}, long = false, load: Partial<HeadOfficeConfig> = {}): Dialogue {
  const office = { ...(long ? longOffice : officeConfig), ...load };
  const conversation = new Conversation({
    machine: createInitiator(long ? longClient : clientConfig, { random: seededRandom('client'), keyLog: false }),
    office: createHeadOffice(office, { random: seededRandom('office') }),
    client: CLIENT,
    gateway: GATEWAY,
  });
  const until = (what: string, done: () => boolean) => demand(conversation.run(60_000, done), `the dialogue stops: ${what}`);
  conversation.tell({ kind: 'start' });
  // IKE_SA_INIT is over, IKE_AUTH is on its way to the office.
  until('IKE_SA_INIT', () => conversation.outputs('progress').some(({ step }) => step === 'auth'));
  disturb('auth', conversation);
  until('IKE_AUTH', () => conversation.outputs('install-child').length > 0);
  disturb('established', conversation);
  const sent = conversation.outputs('transmit').length;
  conversation.tell({ kind: 'check-liveness' });
  demand(conversation.outputs('transmit').length === sent + 1, 'no liveness check was sent');
  conversation.run(10);
  disturb('after liveness', conversation);
  conversation.tell({ kind: 'terminate' });
  until('DELETE', () => conversation.outputs('closed').length > 0);
  const transmits = [...conversation.heard, ...conversation.officeHeard].flatMap((output) =>
    output.kind === 'transmit' ? [output.bytes] : [],
  );
  return { conversation, datagrams: transmits };
}

/** What the client did, byte for byte; log lines about ignored datagrams are not deeds. */
function deeds(outputs: readonly IkeOutput[]): string {
  const shown = outputs.filter(({ kind }) => kind !== 'log');
  return JSON.stringify(shown, (_, value) =>
    value instanceof Uint8Array ? toHex(value) : typeof value === 'bigint' ? String(value) : value,
  );
}

/** A datagram that is not one of the dialogue's own; half of the foreign ones carry the SPIs of the SA. */
function hostile(
  prng: Prng,
  datagrams: readonly Uint8Array[],
  own: ReadonlySet<string>,
  foreign: readonly Uint8Array[],
): Uint8Array {
  for (;;) {
    let bytes = mutateMessage(prng, prng.oneIn(4) ? prng.pick(foreign) : prng.pick(datagrams), datagrams);
    if (bytes.length >= 28 && prng.oneIn(2)) bytes = disguise(prng, bytes, prng.pick(datagrams));
    if (!own.has(toHex(bytes))) return bytes;
  }
}

/** Under the SPIs of the SA, in a message id and with flags that are or were awaited. */
function disguise(prng: Prng, bytes: Uint8Array, genuine: Uint8Array): Uint8Array {
  const out = bytes.slice();
  out.set(genuine.subarray(0, 16));
  if (prng.oneIn(2)) out.set(genuine.subarray(17, 24), 17);
  else out[23] = prng.below(5);
  return out;
}

/** Well-formed, encrypted, and with the header of a genuine datagram but for its length: only the ICV tells that it is forged. */
function isPlausible(bytes: Uint8Array, genuine: readonly Uint8Array[]): boolean {
  const parsed = parseMessage(bytes);
  if (!parsed.ok || parsed.value.payloads.length !== 1 || !/^SKF?$/.test(parsed.value.payloads[0].kind)) return false;
  return genuine.some((one) => toHex(one.subarray(0, 24)) === toHex(bytes.subarray(0, 24)));
}

/** `perStage` hostile datagrams at each stage, to the client: it must do exactly what it does undisturbed. */
function fuzzClient(seed: number, perStage: number, long: boolean): CaseResult {
  const plain = hold(undefined, long);
  const expected = deeds(plain.conversation.heard);
  const own = new Set(plain.datagrams.map(toHex));
  const foreign = messageSeeds();
  return one(`garbage to the client changes nothing${long ? ', between fragments' : ''}`, seed, () => {
    const prng = createPrng(seed);
    let logged = 0;
    let plausible = 0;
    const disturbed = hold((stage, conversation) => {
      for (let i = 0; i < perStage; i++) {
        const before = conversation.heard.length;
        const bytes = hostile(prng, plain.datagrams, own, foreign);
        const channel = prng.pick(['ike', 'natt'] as const);
        if (isPlausible(bytes, plain.datagrams)) plausible++;
        guarded(bytes, stage, () =>
          conversation.tell({ kind: 'datagram', bytes, channel, from: prng.oneIn(4) ? STRANGER : GATEWAY[channel] }),
        );
        const answers = conversation.heard.slice(before);
        logged += answers.length;
        demand(
          answers.every(({ kind }) => kind === 'log'),
          `${stage}: ${answers.map(({ kind }) => kind).join(' ')} for ${toHex(bytes)}`,
        );
      }
    }, long);
    demand(deeds(disturbed.conversation.heard) === expected, 'the disturbed client did something else');
    // Strangers must not fill the log: some lines in full, then ever fewer.
    demand(logged < 100, `${logged} log lines`);
    // Garbage that is refused at the first look tests nothing.
    demand(plausible > perStage / 4, `only ${plausible} datagrams look genuine`);
    return { datagrams: 3 * perStage, plausible, logged };
  });
}

/** The same to the office: it may refuse, answer and forget, but the dialogue of the genuine client goes on to its end. */
function fuzzOffice(seed: number, perStage: number, long: boolean): CaseResult {
  const plain = hold(undefined, long, underLoad);
  const own = new Set(plain.datagrams.map(toHex));
  const foreign = messageSeeds();
  return one(`garbage to a head office under load does not end the dialogue${long ? ', between fragments' : ''}`, seed, () => {
    const prng = createPrng(seed);
    let answers = 0;
    const { conversation } = hold(
      (stage, live) => {
        for (let i = 0; i < perStage; i++) {
          const before = live.officeHeard.length;
          const bytes = hostile(prng, plain.datagrams, own, foreign);
          const channel = prng.pick(['ike', 'natt'] as const);
          guarded(bytes, stage, () =>
            live.tellOffice({ kind: 'datagram', bytes, channel, from: prng.oneIn(4) ? CLIENT[channel] : STRANGER }),
          );
          const sent = live.officeHeard.slice(before).filter(({ kind }) => kind === 'transmit').length;
          demand(sent <= 1, `${sent} datagrams for one`);
          answers += sent;
        }
      },
      long,
      underLoad,
    );
    demand(conversation.outputs('install-child').length === 1, 'not one CHILD SA');
    demand(conversation.outputs('closed')[0]?.failure === undefined, 'the client failed');
    const [mine] = conversation.outputs('install-child');
    const theirs = conversation.officeHeard.find((output) => output.kind === 'install-child');
    demand(theirs?.kind === 'install-child' && theirs.child.spiOut === mine.child.spiIn, 'the ends do not agree');
    return { datagrams: 3 * perStage, answers };
  });
}

/**
 * Before IKE_SA_INIT is answered nothing is authenticated, and a forged answer that looks right is taken. Then the client must still
 * end by itself; when it does not take one, the genuine answer must do.
 */
function fuzzSaInit(seed: number, runs: number): CaseResult {
  const plain = hold();
  const own = new Set(plain.datagrams.map(toHex));
  const answers = plain.datagrams.filter((bytes) => bytes[18] === 34);
  const foreign = messageSeeds();
  return runTarget({
    suite: SUITE,
    name: 'garbage before IKE_SA_INIT is answered',
    seed,
    runs,
    input: (prng) => hostile(prng, answers, own, foreign),
    check: (bytes, prng) => {
      const conversation = new Conversation({
        machine: createInitiator(clientConfig, { random: seededRandom('client'), keyLog: false }),
        office: createHeadOffice(officeConfig, { random: seededRandom('office') }),
        client: CLIENT,
        gateway: GATEWAY,
      });
      conversation.tell({ kind: 'start' });
      for (let i = 0; i < 5; i++) {
        const forged = i === 0 ? bytes : hostile(prng, answers, own, foreign);
        conversation.tell({ kind: 'datagram', bytes: forged, channel: 'ike', from: GATEWAY.ike });
      }
      const progress = conversation.outputs('progress').map(({ step }) => step);
      const taken =
        progress.includes('auth') || conversation.outputs('closed').length > 0 || conversation.outputs('transmit').length > 1;
      conversation.run(600_000, () => conversation.outputs('install-child').length + conversation.outputs('closed').length > 0);
      const connected = conversation.outputs('install-child').length === 1;
      demand(connected || conversation.outputs('closed').length === 1, 'neither connected nor ended');
      demand(connected || taken, 'the genuine answer was not taken');
      return taken ? (connected ? 'taken for an answer, yet connected' : 'taken for an answer') : 'ignored, then connected';
    },
  });
}

/** All targets of the SA machine. */
export function fuzzIke(seed = 7296, perStage = 4000, inits = 300): CaseResult[] {
  return [
    fuzzClient(seed, perStage, false),
    fuzzOffice(seed + 1, perStage, false),
    fuzzSaInit(seed + 2, inits),
    fuzzClient(seed + 3, perStage, true),
    fuzzOffice(seed + 4, perStage, true),
  ];
}

/** One case of one run. */
function one(name: string, seed: number, run: () => Readonly<Record<string, number>>): CaseResult {
  try {
    return { suite: SUITE, case: name, ok: true, detail: { seed, ...run() } };
  } catch (error) {
    return {
      suite: SUITE,
      case: name,
      ok: false,
      detail: { seed, error: error instanceof Error ? error.message : String(error) },
    };
  }
}

/** A throw with the datagram that caused it. */
function guarded(bytes: Uint8Array, stage: Stage, run: () => void): void {
  try {
    run();
  } catch (error) {
    throw new Error(`${stage}: ${error instanceof Error ? error.stack : error} for ${toHex(bytes)}`);
  }
}
