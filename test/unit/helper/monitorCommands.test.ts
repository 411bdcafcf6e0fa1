/** What the engine accepts of a gateway, the monitor accepts of the engine: else a tunnel that is up would end with its next plan. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fromUtf8 } from '../../../core/bytes/bytes.ts';
import { planHost } from '../../../core/helper/hostPlan.ts';
import { parseCommand } from '../../../core/helper/monitorCommands.ts';
import { readConfiguration } from '../../../core/ike/exchanges/configuration.ts';
import { CP_ATTRIBUTE as A, CP_TYPE } from '../../../core/ike/wire/constants.ts';
import type { ConfigAttribute, TrafficSelector } from '../../../core/ike/wire/message.ts';

const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

/** Any, and such as begin like what is special. */
const four = fc
  .tuple(exactly(4), fc.constantFrom([], [], [0], [10], [127], [224], [239], [240], [255], [0, 0, 0]))
  .map(([any, head]) => Uint8Array.of(...head, ...any.subarray(head.length)));
const zeros = (count: number): number[] => Array(count).fill(0);
const six = fc
  .tuple(
    exactly(16),
    fc.constantFrom([], [0x20, 1], [0xfd], [0xfe, 0x80], [0xfe, 0xbf], [0xfe, 0xc0], [0xff, 2], zeros(15), zeros(8), [
      ...zeros(10),
      0xff,
      0xff,
    ]),
  )
  .map(([any, head]) => Uint8Array.of(...head, ...any.subarray(head.length)));

const label = fc.oneof(
  fc.constantFrom('office', '_msdcs', '_', 'a_b', 'a_', '-a', 'A', '\u212a', 'x'.repeat(63), 'x'.repeat(64), ''),
  fc.string({ maxLength: 5 }),
);
const domain = fc.array(label, { minLength: 1, maxLength: 6 }).map((labels) => fromUtf8(labels.join('.')));
const mask = fc.oneof(
  exactly(4),
  fc.nat(32).map((ones) => Uint8Array.from([0, 8, 16, 24], (at) => 0xff00 >>> Math.min(8, Math.max(0, ones - at)))),
);

const attribute: fc.Arbitrary<ConfigAttribute> = fc.oneof(
  fc.record({ type: fc.constantFrom(A.INTERNAL_IP4_ADDRESS, A.INTERNAL_IP4_DNS), value: four }),
  fc.record({ type: fc.constant(A.INTERNAL_IP4_NETMASK), value: mask }),
  fc.record({
    type: fc.constant(A.INTERNAL_IP6_ADDRESS),
    value: fc.tuple(six, fc.nat(130)).map(([address, prefix]) => Uint8Array.of(...address, prefix)),
  }),
  fc.record({ type: fc.constant(A.INTERNAL_IP6_DNS), value: six }),
  fc.record({ type: fc.constant(A.INTERNAL_DNS_DOMAIN), value: domain }),
  fc.record({ type: fc.nat(30), value: fc.uint8Array({ maxLength: 20 }) }),
);

const range = (type: 'ipv4' | 'ipv6', address: fc.Arbitrary<Uint8Array>) =>
  fc
    .tuple(address, address)
    .map(([one, other]): TrafficSelector => ({ type, protocol: 0, startPort: 0, endPort: 65535, start: one, end: other }));
const whole = (type: 'ipv4' | 'ipv6', length: number): TrafficSelector => ({
  ...{ type, protocol: 0, startPort: 0, endPort: 65535 },
  ...{ start: new Uint8Array(length), end: new Uint8Array(length).fill(255) },
});
const selector = fc.oneof(fc.constantFrom(whole('ipv4', 4), whole('ipv6', 16)), range('ipv4', four), range('ipv6', six));

const profile = fc.record({
  dns: fc.boolean(),
  mtu: fc.integer({ min: 1280, max: 1500 }),
  whenLost: fc.constantFrom('hold', 'lock', 'open', 'end'),
  remoteNetworks: fc.constantFrom(['0.0.0.0/0', '::/0'], ['0.0.0.0/0'], ['10.0.0.0/8']),
} as const);

test('whatever a gateway sends, the plan made of it is one that the monitor takes', () => {
  let plans = 0;
  let blocked = 0;
  const usual: readonly ConfigAttribute[] = [
    { type: A.INTERNAL_IP4_ADDRESS, value: Uint8Array.of(10, 9, 0, 2) },
    { type: A.INTERNAL_IP6_ADDRESS, value: Uint8Array.of(0xfd, ...zeros(14), 2, 64) },
  ];
  const given = fc.tuple(fc.constantFrom([], usual), fc.array(attribute, { maxLength: 12 })).map((parts) => parts.flat());
  fc.assert(
    fc.property(given, fc.array(selector, { maxLength: 8 }), profile, (attributes, remoteSelectors, wishes) => {
      const reply = { kind: 'CP', cfgType: CP_TYPE.REPLY, attributes } as const;
      const read = readConfiguration(reply, { ipv4: true, ipv6: true, dns: true, version: '' }, '198.51.100.1');
      const planned = read.ok ? planHost(wishes, 'sally0', read.value.configuration, { remoteSelectors }) : undefined;
      if (!planned?.ok) return;
      plans++;
      if (planned.value.plan.blocked) blocked++;
      const { plan } = planned.value;
      const command = parseCommand(JSON.stringify({ id: 1, command: 'apply', plan }), new Set(['sally0']));
      assert.deepEqual(command, { kind: 'command', command: { id: 1, command: 'apply', plan } });
    }),
    { seed: 4301, numRuns: 2000 },
  );
  assert.ok(plans > 500 && blocked > 10, `${plans} plans, ${blocked} of them with a family that leads nowhere`);
});
