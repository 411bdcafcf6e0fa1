/** IP4_ALLOWED and IP6_ALLOWED (RFC 8983 §5, table 1): what was asked for, what the gateway has, what the user can be told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IkeConfig } from '../../core/ike/sa/contract.ts';
import { NOTIFY } from '../../core/ike/wire/constants.ts';
import { notify } from '../../core/ike/wire/payloads.ts';
import type { HeadOfficeConfig } from '../gateway/config.ts';
import { clientConfig } from '../gateway/fixtures.ts';
import { agreed, authOf, failed, meet } from './office.ts';
import { selector, World } from './world.ts';

const pools = { ipv4: '10.10.99.0/24', ipv6: 'fd10:99::/64' };
const everything = { ipv4: selector('0.0.0.0/0'), ipv6: selector('::/0') };

type Family = 'ipv4' | 'ipv6';

function asking(...families: readonly Family[]): Partial<IkeConfig> {
  const selectors = families.map((family) => everything[family]);
  const request = { ...clientConfig.request, ipv4: families.includes('ipv4'), ipv6: families.includes('ipv6') };
  return { request, localSelectors: selectors, remoteSelectors: selectors };
}

function having(...families: readonly Family[]): Partial<HeadOfficeConfig> {
  return {
    pool: Object.fromEntries(families.map((family) => [family, pools[family]])),
    selectors: [everything.ipv4, everything.ipv6],
  };
}

const rows: readonly (readonly [asked: readonly Family[], has: readonly Family[], told: string | undefined])[] = [
  [['ipv4'], ['ipv4'], undefined],
  [['ipv4'], ['ipv4', 'ipv6'], undefined],
  [['ipv6'], ['ipv6'], undefined],
  [['ipv6'], ['ipv4', 'ipv6'], undefined],
  [['ipv4', 'ipv6'], ['ipv4'], 'the gateway has no IPv6 addresses'],
  [['ipv4', 'ipv6'], ['ipv6'], 'the gateway has no IPv4 addresses'],
  [['ipv4', 'ipv6'], ['ipv4', 'ipv6'], undefined],
];

for (const [asked, has, told] of rows)
  test(`${asked.join(' and ')} of a gateway with ${has.join(' and ')}: ${told ?? 'nothing is missing'}`, () => {
    const conversation = meet({ client: asking(...asked), office: having(...has) });
    agreed(conversation);
    const [{ configuration }] = conversation.outputs('configured');
    assert.deepEqual(configuration.families, { ipv4: has.includes('ipv4'), ipv6: has.includes('ipv6') });
    const lines = conversation.outputs('log').filter(({ text }) => /^the gateway has .* addresses/.test(text));
    assert.deepEqual(
      lines.map(({ text }) => text),
      told === undefined ? [] : [told],
    );
  });

for (const [asked, has, name, other] of [
  ['ipv4', 'ipv6', 'IPv6', 'IPv4'],
  ['ipv6', 'ipv4', 'IPv4', 'IPv6'],
] as const)
  test(`${asked} of a gateway with ${has}: INTERNAL_ADDRESS_FAILURE has its reason`, () => {
    const conversation = meet({ client: asking(asked), office: having(has) });
    failedAfterProof(
      conversation,
      `INTERNAL_ADDRESS_FAILURE in IKE_AUTH response: the gateway gives ${name} addresses only, and we ask for ${other}`,
    );
    assert.ok(authOf(conversation, 'IKE_AUTH response').includes(`N(IP${name[3]}_ALLOWED)`));
  });

test('without the notifies INTERNAL_ADDRESS_FAILURE stays as it is', () => {
  const conversation = meet({ client: asking('ipv4'), office: { ...having('ipv6'), families: false } });
  failedAfterProof(conversation, 'INTERNAL_ADDRESS_FAILURE in IKE_AUTH response');
});

/** Policy gives one of two families (the last row of the table), or the notify alone says that there is no address (the first). */
test('one of two families by policy, and no address at all beside the notify', () => {
  const both = { ...clientConfig.request, ipv4: true, ipv6: true };
  const world = new World({
    client: { request: both, localSelectors: [everything.ipv4, everything.ipv6] },
    gateway: { changeAuth: (payloads) => [...payloads, notify(NOTIFY.IP4_ALLOWED), notify(NOTIFY.IP6_ALLOWED)] },
  });
  world.connect();
  assert.ok(world.said('log').some(({ text }) => text === 'the gateway has IPv6 addresses and gave none'));
  const none = new World({
    gateway: {
      changeAuth: (payloads) => [...payloads.filter(({ kind }) => /^(IDr|AUTH)$/.test(kind)), notify(NOTIFY.IP6_ALLOWED)],
    },
  });
  none.connect();
  none.run(10_000, () => none.closed);
  const [closed] = none.said('closed');
  assert.deepEqual(closed.failure, {
    code: 'no-address',
    evidence: 'the gateway gives IPv6 addresses only, and we ask for IPv4 in IKE_AUTH response',
  });
});

function failedAfterProof(conversation: ReturnType<typeof meet>, evidence: string): void {
  const escaped = evidence.replaceAll(/[()]/g, '\\$&');
  failed(conversation, 'no-address', new RegExp(`^${escaped}$`));
}
