import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InnerHeader } from '../../../core/ip/header.ts';
import { noUpper, upperHeader } from '../../../core/ip/upper.ts';
import { octets } from '../esp/suites.ts';
import { confined, ipv4Packet, ipv6Packet } from './judge.ts';

const payload = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

/** Distance of the upper header and its protocol; undefined where there is none. */
function upper(packet: Uint8Array): readonly [number, number] | undefined {
  const { result } = confined(packet, (bytes, at) => upperHeader(bytes, at, packet.length));
  return result === noUpper ? undefined : [result >>> 8, result & 0xff];
}

const extension = (next: number, ...rest: readonly number[]): number[] => [next, ...rest];

test('RFC 8200 §4: each extension header by its own length', () => {
  const cases: readonly (readonly [string, number, readonly number[], readonly [number, number] | undefined])[] = [
    ['none', 6, [], [40, 6]],
    ['hop-by-hop', 0, extension(17, 0, 1, 4, 0, 0, 0, 0), [48, 17]],
    ['hop-by-hop of 24 octets', 0, extension(17, 2, ...new Array<number>(22).fill(0)), [64, 17]],
    ['routing of 16 octets', 43, extension(6, 1, ...new Array<number>(14).fill(0)), [56, 6]],
    ['RFC 4302 §2.2: authentication counts words, less 2', 51, extension(6, 4, ...new Array<number>(22).fill(0)), [64, 6]],
    ['first fragment, its reserved octet is no length', 44, extension(58, 9, 0, 1, 0, 0, 0, 7), [48, 58]],
    ['a whole packet as a fragment', 44, extension(58, 0, 0, 0, 0, 0, 0, 7), [48, 58]],
    ['second fragment', 44, extension(58, 0, 0, 8, 0, 0, 0, 7), undefined],
    ['a fragment far behind', 44, extension(58, 0, 1, 0, 0, 0, 0, 7), undefined],
    ['ESP hides the rest', 50, [], [40, 50]],
    ['to the end of the packet', 60, extension(59, 1, ...new Array<number>(6).fill(0)), [56, 59]],
    ['one unit beyond the end', 60, extension(59, 2, ...new Array<number>(6).fill(0)), undefined],
    ['no room for an extension', 60, extension(0, 1, ...new Array<number>(6).fill(0)), undefined],
  ];
  for (const [name, next, extensions, expected] of cases) {
    assert.deepEqual(upper(ipv6Packet({ next, extensions, payload })), expected, name);
  }
  const eight = (count: number): number[] =>
    Array.from({ length: count }, (_, i) => [i === count - 1 ? 6 : 60, 0, 0, 0, 0, 0, 0, 0]).flat();
  assert.deepEqual(upper(ipv6Packet({ next: 60, extensions: eight(8), payload })), [104, 6]);
  assert.equal(upper(ipv6Packet({ next: 60, extensions: eight(9), payload })), undefined);
});

test('IPv4: the header length, and fragments', () => {
  assert.deepEqual(upper(ipv4Packet({ protocol: 6 })), [20, 6]);
  assert.deepEqual(upper(ipv4Packet({ protocol: 17, options: [1, 1, 1, 0], payload })), [24, 17]);
  assert.deepEqual(upper(ipv4Packet({ flags: 0xe000, payload })), [20, 17]);
  for (const flags of [0x0001, 0x0100, 0x1fff, 0x3000]) assert.equal(upper(ipv4Packet({ flags, payload })), undefined);
  assert.equal(upper(ipv4Packet().subarray(0, 19)), undefined);
  assert.equal(upper(ipv6Packet().subarray(0, 39)), undefined);
  assert.equal(upper(Uint8Array.of(0x46, ...ipv4Packet().subarray(1))), undefined);
  assert.equal(upper(Uint8Array.of(0x44, ...ipv4Packet({ payload }).subarray(1))), undefined);
});

test('it finds what the selectors see', () => {
  const header = new InnerHeader();
  let found = 0;
  const chain = [0, 43, 44, 51, 60, 6, 17, 58];
  for (let seed = 1; seed < 3000; seed++) {
    // Chains of plausible headers with small lengths.
    const [units, next, ...noise] = octets(2 + 24, seed);
    const extensions = noise.slice(0, 8 * (units & 3)).map((octet, i) => [chain[octet & 7], octet & 1][i & 7] ?? octet & 0x11);
    const packet = ipv6Packet({ next: chain[next & 7], extensions, payload });
    const fault = header.read(packet, 0, packet.length);
    const seen = upper(packet);
    if (seen === undefined) continue;
    found++;
    assert.equal(fault, undefined);
    assert.equal(header.protocol, seen[1]);
  }
  assert.ok(found > 500);
});
