/** Chooses what seals and opens packets: for each suite the first backend that is there and gives the known answer. */

import type { EspBackend, EspSuite } from '../crypto/espCipher.ts';
import { evpBackend, evpName } from '../crypto/evp/esp.ts';
import { ipsecMbBackend, ipsecMbName } from '../crypto/ipsecMb/esp.ts';
import { nobleEspBackend } from '../crypto/noble/esp.ts';
import { nodeEspBackend } from '../crypto/node/esp.ts';
import { givesKnownAnswer, knownAnswers } from './knownAnswers.ts';

export interface EspCandidate {
  /** By which it can be asked for alone. */
  readonly name: string;
  /** The backend, or why it is not to be had. */
  readonly load: () => EspBackend | string;
}

export interface BackendOptions {
  /** Name of the one to use; a suite that it lacks is then not available. */
  readonly only?: string;
  readonly candidates?: readonly EspCandidate[];
}

/** What became of a candidate, in one line for people, e.g. `libIPSec_MB.so.1: not found`. */
export interface BackendTrial {
  readonly name: string;
  readonly outcome: string;
}

export interface BackendChoice {
  /** Gives each suite to the backend that carries it; its name is that of the first that carries any. */
  readonly backend: EspBackend;
  readonly tried: readonly BackendTrial[];
}

/** Fastest first. */
const allCandidates: readonly EspCandidate[] = [
  { name: ipsecMbName, load: ipsecMbBackend },
  { name: evpName, load: evpBackend },
  { name: nodeEspBackend.name, load: () => nodeEspBackend },
  { name: nobleEspBackend.name, load: () => nobleEspBackend },
];

/**
 * Loads and proves everything that will be used, so that afterwards no file is opened. A backend that gives one wrong answer is not used at
 * all. Throws when `only` is no name, when nothing carries a suite, or when the one that is wanted cannot be used: nothing may be sent then.
 */
export function chooseBackend({ only, candidates = allCandidates }: BackendOptions = {}): BackendChoice {
  const wanted = only === undefined ? candidates : candidates.filter(({ name }) => name === only);
  if (wanted.length === 0) {
    throw new Error(`no ESP backend is called "${only}"; there are ${candidates.map(({ name }) => name).join(', ')}`);
  }
  const carriers = new Map<string, EspBackend>();
  const tried = wanted.map((candidate) => ({ name: candidate.name, outcome: tryOne(candidate, carriers) }));
  const [first] = carriers.values();
  if (first === undefined) {
    throw new Error(`no ESP backend can be used: ${tried.map(({ name, outcome }) => `${name}: ${outcome}`).join('; ')}`);
  }
  return {
    backend: { name: first.name, cipher: (suite, keys) => carriers.get(pairOf(suite))?.cipher(suite, keys) },
    tried,
  };
}

/** Why the one backend that is wanted cannot be used here, and which can; undefined when it can. */
export function whyUnusable(only: string, candidates: readonly EspCandidate[] = allCandidates): string | undefined {
  const trials = (wanted: (name: string) => boolean) =>
    candidates
      .filter(({ name }) => wanted(name))
      .map((candidate) => {
        const carriers = new Map<string, EspBackend>();
        return { name: candidate.name, outcome: tryOne(candidate, carriers), usable: carriers.size > 0 };
      });
  const [one] = trials((name) => name === only);
  if (one?.usable) return undefined;
  const others = trials((name) => name !== only).filter(({ usable }) => usable);
  const names = others.map(({ name }) => name).join(', ');
  return `${one?.outcome ?? 'there is none of this name'}. This computer has ${names}`;
}

/** Adds the candidate to `carriers` for what nobody before it carries. */
function tryOne({ load }: EspCandidate, carriers: Map<string, EspBackend>): string {
  if (carriers.size === knownAnswers.length) return 'not needed';
  try {
    const backend = load();
    if (typeof backend === 'string') return backend;
    const given: string[] = [];
    for (const known of knownAnswers) {
      const right = givesKnownAnswer(backend, known);
      if (right === false) return `${backend.name}: known answer wrong for ${pairOf(known.suite)}`;
      if (right) given.push(pairOf(known.suite));
    }
    const added = given.filter((pair) => !carriers.has(pair));
    for (const pair of added) carriers.set(pair, backend);
    return `${backend.name}: ${added.length} of ${knownAnswers.length} suites`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** `aes256gcm16`, `aes128-sha256`; ESN makes no difference to who carries it. */
function pairOf({ encr, integ }: EspSuite): string {
  return integ === undefined ? encr.keyword : `${encr.keyword}-${integ.keyword}`;
}
