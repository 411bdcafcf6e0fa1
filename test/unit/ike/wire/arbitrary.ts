/** fast-check generators of everything the codec can carry. */
import * as fc from 'fast-check';
import type {
  ConfigAttribute,
  Header,
  Payload,
  PayloadOf,
  Proposal,
  TrafficSelector,
  Transform,
} from '../../../../core/ike/wire/message.ts';

const octet = fc.nat(0xff);
const word = fc.nat(0xffff);
const octets = (maxLength = 64) => fc.uint8Array({ maxLength });
const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

/** fast-check makes objects without a prototype; the parser makes ordinary ones. */
const ordinary = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T> => arbitrary.map((value) => structuredClone(value));

export const header: fc.Arbitrary<Header> = ordinary(
  fc.record({
    spiI: exactly(8),
    spiR: exactly(8),
    majorVersion: fc.constant(2),
    minorVersion: fc.nat(15),
    exchange: octet,
    messageId: fc.nat(0xffffffff),
    flags: fc.record({ initiator: fc.boolean(), version: fc.boolean(), response: fc.boolean() }),
  }),
);

const transform: fc.Arbitrary<Transform> = fc.record(
  { type: octet, id: word, keyLength: word },
  { requiredKeys: ['type', 'id'] },
);

/** Protocol with an SPI of a size that it allows. */
const proposalSpi = fc.oneof(
  fc.record({ protocol: fc.constant(1), spi: fc.oneof(exactly(0), exactly(8)) }),
  fc.record({ protocol: fc.constantFrom(2, 3), spi: exactly(4) }),
  fc.record({ protocol: fc.integer({ min: 4, max: 255 }), spi: octets(255) }),
);

const proposal = fc
  .tuple(proposalSpi, fc.array(transform, { minLength: 1, maxLength: 20 }))
  .map(([spi, transforms]) => ({ ...spi, transforms }));

const proposals: fc.Arbitrary<readonly Proposal[]> = fc.oneof(
  fc.tuple(proposal, fc.integer({ min: 1, max: 255 })).map(([only, number]) => [{ number, ...only }]),
  fc.array(proposal, { minLength: 1, maxLength: 6 }).map((list) => list.map((one, i) => ({ number: i + 1, ...one }))),
);

const ports = fc.oneof(
  fc.constant([0, 65535]),
  fc.constant([65535, 0]), // OPAQUE
  fc.tuple(word, word).map((pair) => pair.sort((a, b) => a - b)),
);

const selector: fc.Arbitrary<TrafficSelector> = fc
  .constantFrom('ipv4' as const, 'ipv6' as const)
  .chain((type) => fc.tuple(fc.constant(type), octet, ports, addressPair(type === 'ipv4' ? 4 : 16)))
  .map(([type, protocol, [startPort, endPort], [start, end]]) => ({ type, protocol, startPort, endPort, start, end }));

function addressPair(length: number): fc.Arbitrary<Uint8Array[]> {
  return fc.tuple(exactly(length), exactly(length)).map((pair) => pair.sort(Buffer.compare));
}

const attribute: fc.Arbitrary<ConfigAttribute> = fc.record({ type: fc.nat(0x7fff), value: octets() });

const identity: fc.Arbitrary<PayloadOf<'IDi'>> = fc
  .record({ kind: fc.constantFrom('IDi' as const, 'IDr' as const), idType: octet })
  .chain(({ kind, idType }) => {
    const data = idType === 1 ? exactly(4) : idType === 5 ? exactly(16) : octets();
    return data.map((value) => ({ kind, idType, data: value }));
  });

const notify: fc.Arbitrary<Payload> = fc
  .oneof(
    fc.constant({ protocol: 0, spi: new Uint8Array(0) }),
    fc.record({ protocol: fc.constantFrom(2, 3), spi: exactly(4) }),
    fc.record({ protocol: fc.integer({ min: 4, max: 255 }), spi: fc.uint8Array({ minLength: 1, maxLength: 255 }) }),
  )
  .chain((about) => fc.record({ type: word, data: octets() }).map((rest) => ({ kind: 'N' as const, ...about, ...rest })));

const deletion: fc.Arbitrary<Payload> = fc.oneof(
  fc.constant({ kind: 'D' as const, protocol: 1, spis: [] }),
  fc.record({
    kind: fc.constant('D' as const),
    protocol: fc.constantFrom(2, 3),
    spis: fc.array(exactly(4), { minLength: 1, maxLength: 20 }),
  }),
);

const eap: fc.Arbitrary<Payload> = fc.tuple(octet, octet, octets()).map(([code, identifier, data]) => {
  const message = Uint8Array.of(code, identifier, 0, 4 + data.length, ...data);
  return { kind: 'EAP', message };
});

const known: ReadonlySet<number> = new Set([0, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 53, 54]);

function repeated(part: Uint8Array, times: number): Uint8Array {
  return Uint8Array.from(Array.from({ length: times }, () => [...part]).flat());
}

/** Every payload that may stand inside SK. */
export const payload: fc.Arbitrary<Payload> = ordinary(
  fc.oneof(
    proposals.map((list) => ({ kind: 'SA' as const, proposals: list })),
    fc.record({ kind: fc.constant('KE' as const), method: word, data: fc.uint8Array({ minLength: 1, maxLength: 600 }) }),
    identity,
    fc.record({ kind: fc.constantFrom('CERT' as const, 'CERTREQ' as const), encoding: octet, data: octets() }),
    fc.record({ kind: fc.constant('AUTH' as const), method: octet, data: octets() }),
    fc.record({ kind: fc.constant('NONCE' as const), data: fc.uint8Array({ minLength: 16, maxLength: 256 }) }),
    notify,
    deletion,
    fc.record({ kind: fc.constant('V' as const), data: octets() }),
    fc.record({
      kind: fc.constantFrom('TSi' as const, 'TSr' as const),
      selectors: fc.array(selector, { minLength: 1, maxLength: 10 }),
      unknownTypes: fc.constant(0),
    }),
    fc.record({ kind: fc.constant('CP' as const), cfgType: octet, attributes: fc.array(attribute, { maxLength: 10 }) }),
    eap,
    fc.uint8Array({ minLength: 1, maxLength: 70 }).map((key) => ({ kind: 'PS' as const, data: repeated(key, 4) })),
    fc.record({
      kind: fc.constant('unknown' as const),
      type: octet.filter((type) => !known.has(type)),
      critical: fc.boolean(),
      body: octets(),
    }),
  ),
);

/** SK or SKF without its place in the message: `bodyOffset` is 0. */
export const encrypted: fc.Arbitrary<PayloadOf<'SK'> | PayloadOf<'SKF'>> = ordinary(
  fc.oneof(
    fc.record({ kind: fc.constant('SK' as const), firstInner: octet, body: octets(300), bodyOffset: fc.constant(0) }),
    fc
      .tuple(octet, fc.integer({ min: 1, max: 0xffff }), fc.integer({ min: 1, max: 0xffff }), octets(300))
      .map(([firstInner, a, b, body]) => ({
        kind: 'SKF' as const,
        firstInner,
        fragment: Math.min(a, b),
        total: Math.max(a, b),
        body,
        bodyOffset: 0,
      })),
  ),
);
