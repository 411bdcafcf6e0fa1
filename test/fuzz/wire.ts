/**
 * The IKEv2 codec under hostile octets. For every input: no throw; the values handed out, and the views taken to make them, are
 * bounded by the octets that came; what was accepted keeps the promises of `message.ts`; encoding it again means the same.
 */

import { toHex } from '../../core/bytes/bytes.ts';
import type { Result } from '../../core/bytes/result.ts';
import { encodeMessage, encodePayloads } from '../../core/ike/wire/encode.ts';
import type { Payload, WireError } from '../../core/ike/wire/message.ts';
import { parseMessage, parsePayloads } from '../../core/ike/wire/parse.ts';
import { framed, innerSeeds, messageSeeds, monsterSeeds } from './corpus.ts';
import { countViews } from './counting.ts';
import { type CaseResult, demand, runTarget } from './harness.ts';
import { mutateInner, mutateMessage } from './mutateIke.ts';

const SUITE = 'fuzz-wire';
/** The smallest structure that becomes a value has four octets; few more views are taken than there are structures. */
const VIEWS_PER_OCTET = 0.75;
const VIEWS_FREE = 16;

export interface WireRuns {
  readonly messages: number;
  readonly inner: number;
  readonly random: number;
}

/** What `npm test` runs: 240,000 inputs. */
export const FULL: WireRuns = { messages: 140_000, inner: 80_000, random: 20_000 };

export function fuzzWire(runs: WireRuns, seed = 7296): CaseResult[] {
  const seeds = messageSeeds();
  const monsters = monsterSeeds();
  const inner = innerSeeds();
  const innerBytes = inner.map(({ bytes }) => bytes);
  let first = 0;
  return [
    runTarget({
      suite: SUITE,
      name: 'seeds as they are',
      seed,
      runs: seeds.length + monsters.length,
      input: (_, i) => (i < seeds.length ? seeds[i] : monsters[i - seeds.length]),
      check: checkMessage,
    }),
    runTarget({
      suite: SUITE,
      name: 'mutated messages',
      seed,
      runs: runs.messages,
      // The long ones are the costly ones: now and then is enough.
      input: (prng) => mutateMessage(prng, prng.oneIn(500) ? prng.pick(monsters) : prng.pick(seeds), seeds),
      check: checkMessage,
    }),
    runTarget({
      suite: SUITE,
      name: 'mutated insides of SK',
      seed: seed + 1,
      runs: runs.inner,
      input: (prng) => {
        const chosen = prng.pick(inner);
        const mutated = mutateInner(prng, chosen.first, chosen.bytes, innerBytes);
        first = mutated.first;
        return mutated.bytes;
      },
      check: (bytes) => checkInner(first, bytes),
    }),
    runTarget({
      suite: SUITE,
      name: 'random octets',
      seed: seed + 2,
      runs: runs.random,
      // Every other one behind a good header.
      input: (prng) => (prng.oneIn(2) ? prng.octets(prng.below(200)) : framed(prng.below(64), prng.octets(prng.below(200)))),
      check: (bytes, prng) => {
        checkInner(prng.below(256), bytes);
        return checkMessage(bytes);
      },
    }),
  ];
}

/** `accepted`, or the code of the error. */
export function checkMessage(bytes: Uint8Array): string {
  const { value: result, views } = countViews(bytes, parseMessage);
  checkCost(bytes, views);
  if (!result.ok) return checkError(result.error, bytes.length >= 28);
  const { header, payloads } = result.value;
  demand(header.spiI.length === 8 && header.spiR.length === 8 && header.majorVersion === 2, 'header');
  checkPayloads(payloads, bytes.length, 'outer');
  if (canBeSent(payloads)) {
    const again = parseMessage(encodeMessage(header, payloads));
    demand(again.ok && show(again.value.payloads) === show(payloads), 'encoding what was parsed means something else');
  }
  return 'accepted';
}

function checkInner(first: number, bytes: Uint8Array): string {
  const { value: result, views } = countViews(bytes, (counted) => parsePayloads(first, counted));
  checkCost(bytes, views);
  if (!result.ok) return checkError(result.error, false);
  checkPayloads(result.value, bytes.length, 'inner');
  if (canBeSent(result.value)) {
    const encoded = encodePayloads(result.value);
    const again: Result<readonly Payload[], WireError> = parsePayloads(encoded.first, encoded.bytes);
    demand(again.ok && show(again.value) === show(result.value), 'encoding what was parsed means something else');
  }
  return 'accepted';
}

function checkCost(bytes: Uint8Array, views: number): void {
  demand(views <= VIEWS_FREE + VIEWS_PER_OCTET * bytes.length, `${views} views of ${bytes.length} octets`);
}

/** Errors are one short printable line, whatever came. */
function checkError(error: WireError, hasHeader: boolean): string {
  demand((error.header !== undefined) === hasHeader, 'an error has the header when there was one');
  demand(/^[\x20-\x7e]{1,160}$/.test(error.place), `place "${error.place}"`);
  return error.code;
}

/** The promises of `message.ts`, and a value for every four octets at most. */
function checkPayloads(payloads: readonly Payload[], octets: number, where: 'outer' | 'inner'): void {
  let values = 0;
  let inside = 0;
  for (const [i, payload] of payloads.entries()) {
    values++;
    switch (payload.kind) {
      case 'SA':
        demand(payload.proposals.length > 0, 'no proposal');
        for (const { spi, transforms, protocol } of payload.proposals) {
          values += 1 + transforms.length;
          inside += spi.length;
          demand(transforms.length > 0, 'no transform');
          demand(
            protocol === 1 ? spi.length % 8 === 0 && spi.length < 9 : protocol > 3 || protocol === 0 || spi.length === 4,
            'SPI of a proposal',
          );
        }
        break;
      case 'TSi':
      case 'TSr':
        demand(payload.selectors.length + payload.unknownTypes > 0, 'no selector');
        for (const { type, start, end } of payload.selectors) {
          values++;
          inside += start.length + end.length;
          demand(start.length === (type === 'ipv4' ? 4 : 16) && end.length === start.length, 'address of a selector');
        }
        break;
      case 'CP':
        values += payload.attributes.length;
        for (const { value } of payload.attributes) inside += value.length;
        break;
      case 'D':
        values += payload.spis.length;
        for (const spi of payload.spis) inside += spi.length;
        break;
      case 'NONCE':
        demand(payload.data.length >= 16 && payload.data.length <= 256, 'nonce');
        inside += payload.data.length;
        break;
      case 'N':
        demand(payload.spi.length > 0 || payload.protocol === 0, 'protocol of a notify without SPI');
        inside += payload.spi.length + payload.data.length;
        break;
      case 'SK':
      case 'SKF':
        demand(where === 'outer' && i === payloads.length - 1, 'encrypted payload that is not the last');
        demand(payload.bodyOffset + payload.body.length === octets, 'offset of an encrypted body');
        inside += payload.body.length;
        break;
      case 'EAP':
        inside += payload.message.length;
        break;
      case 'unknown':
        inside += payload.body.length;
        break;
      default:
        inside += payload.data.length;
    }
  }
  demand(values <= octets / 4, `${values} values of ${octets} octets`);
  demand(inside <= octets, `${inside} octets of values from ${octets}`);
}

/** Transforms with attributes that were not understood, and selectors of unknown types, are never sent. */
function canBeSent(payloads: readonly Payload[]): boolean {
  return payloads.every((one) => {
    if (one.kind === 'SA')
      return one.proposals.every(({ transforms }) => transforms.every(({ unknownAttribute }) => unknownAttribute !== true));
    return (
      !((one.kind === 'TSi' || one.kind === 'TSr') && one.unknownTypes > 0) &&
      !(one.kind === 'D' && one.protocol !== 1 && one.spis.length === 0)
    );
  });
}

function show(payloads: readonly Payload[]): string {
  return JSON.stringify(payloads, (_, value) => (value instanceof Uint8Array ? toHex(value) : value));
}
