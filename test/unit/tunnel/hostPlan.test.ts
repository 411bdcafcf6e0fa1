import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockedFamilies, planHost } from '../../../core/helper/hostPlan.ts';
import type { Configuration } from '../../../core/ike/sa/contract.ts';
import type { WhenLost } from '../../../core/rpc/contract.ts';
import { network } from './fakes.ts';

const profile = { dns: true, mtu: 1400, whenLost: 'open', remoteNetworks: ['0.0.0.0/0', '::/0'] } as const;
const both: Configuration = {
  addresses: [
    { address: '10.9.0.2', prefix: 32 },
    { address: 'fd00::2', prefix: 128 },
  ],
  dns: [],
  domains: ['office.test'],
  subnets: [],
};

function routes(remote: readonly string[], configuration = both): readonly string[] | string {
  const planned = planHost(profile, 'sally0', configuration, { remoteSelectors: remote.map(network) });
  return planned.ok ? planned.value.plan.routes : planned.error.code;
}

test('everything stays everything, and networks inside others need no route', () => {
  assert.deepEqual(routes(['0.0.0.0/0', '::/0']), ['0.0.0.0/0', '::/0']);
  assert.deepEqual(routes(['10.0.0.0/8', '10.1.0.0/16', '10.0.0.0/8']), ['10.0.0.0/8']);
  assert.deepEqual(routes(['0.0.0.0/0', '10.1.0.0/16', 'fd01::/64']), ['0.0.0.0/0', 'fd01::/64']);
});

test('what no host elsewhere has as its address is left out and told, and the rest goes on', () => {
  const remoteSelectors = ['10.0.0.0/8', '224.0.0.0/4', 'fe80::/10', 'fd00::/8'].map(network);
  const planned = planHost(profile, 'sally0', both, { remoteSelectors });
  assert.ok(planned.ok);
  assert.deepEqual(planned.value.plan.routes, ['10.0.0.0/8', 'fd00::/8']);
  assert.deepEqual(planned.value.left, ['224.0.0.0/4, fe80::/10: no host elsewhere has such an address']);
});

test('what is held while it is lost is held without the engine, too', () => {
  const whenLost = (wanted: WhenLost) => {
    const planned = planHost({ ...profile, whenLost: wanted }, 'sally0', both, { remoteSelectors: [network('10.0.0.0/8')] });
    assert.ok(planned.ok);
    return planned.value.plan.whenLost;
  };
  assert.deepEqual((['hold', 'lock', 'open', 'end'] as const).map(whenLost), ['hold', 'lock', undefined, undefined]);
});

test('a family that the gateway carries nothing of leads nowhere, where all was to go into the tunnel', () => {
  const v4 = { ...both, addresses: [{ address: '10.9.0.2', prefix: 32 }] };
  const v6 = { ...both, addresses: [{ address: 'fd00::2', prefix: 128 }] };
  const plan = (
    whenLost: WhenLost,
    remote: readonly string[],
    configuration: Configuration = v4,
    remoteNetworks = profile.remoteNetworks as readonly string[],
  ) => {
    const planned = planHost({ ...profile, whenLost, remoteNetworks }, 'sally0', configuration, {
      remoteSelectors: remote.map(network),
    });
    assert.ok(planned.ok);
    return planned.value.plan;
  };
  for (const whenLost of ['hold', 'lock'] as const) {
    assert.deepEqual(plan(whenLost, ['0.0.0.0/0', '::/0']).blocked, ['::/0'], 'no address of it');
    assert.deepEqual(plan(whenLost, ['0.0.0.0/0']).blocked, ['::/0'], 'narrowed');
    assert.deepEqual(plan(whenLost, ['0.0.0.0/0', '::/0'], v6).blocked, ['0.0.0.0/0']);
  }
  assert.deepEqual(blockedFamilies(plan('hold', ['0.0.0.0/0'])), [{ code: 'family-blocked', subject: 'IPv6' }]);
  assert.equal(plan('hold', ['0.0.0.0/0', '::/0'], both).blocked, undefined, 'both are carried');
  assert.equal(plan('hold', ['10.0.0.0/8']).blocked, undefined, 'the gateway carries some networks, and leaves the rest');
  assert.equal(plan('hold', ['0.0.0.0/0'], v4, ['0.0.0.0/0']).blocked, undefined, 'it was not to go into the tunnel');
  assert.equal(plan('open', ['0.0.0.0/0', '::/0']).blocked, undefined, 'nothing is to be held back');
});

test('a range becomes the fewest networks', () => {
  const range = { ...network('10.0.0.0/24'), start: Uint8Array.of(10, 0, 0, 1), end: Uint8Array.of(10, 0, 0, 6) };
  const planned = planHost(profile, 'sally0', both, { remoteSelectors: [range] });
  assert.deepEqual(planned.ok && planned.value.plan.routes, ['10.0.0.1/32', '10.0.0.2/31', '10.0.0.4/31', '10.0.0.6/32']);
});

test('no address, no network of its family, more routes than any sane gateway grants', () => {
  assert.equal(routes(['10.0.0.0/8'], { ...both, addresses: [] }), 'no-address');
  assert.equal(routes(['fd00::/8'], { ...both, addresses: [{ address: '10.9.0.2', prefix: 32 }] }), 'ts-unacceptable');
  assert.equal(routes(Array.from({ length: 501 }, (_, i) => `10.${i >> 8}.${i & 255}.1/32`)), 'gateway-misbehaved');
});

test('names: all of them with a full tunnel, only the office’s with a split one, none when not wanted', () => {
  const dns = (remote: readonly string[], wanted = true) => {
    const configuration = { ...both, dns: ['10.1.0.53'] };
    const planned = planHost({ ...profile, dns: wanted }, 'sally0', configuration, { remoteSelectors: remote.map(network) });
    return planned.ok ? planned.value.plan.dns : planned.error;
  };
  assert.deepEqual(dns(['0.0.0.0/0']), { servers: ['10.1.0.53'], searchDomains: ['office.test'], matchDomains: [] });
  assert.deepEqual(dns(['10.1.0.0/16']), {
    servers: ['10.1.0.53'],
    searchDomains: ['office.test'],
    matchDomains: ['office.test'],
  });
  assert.equal(dns(['10.2.0.0/16']), undefined);
  assert.equal(dns(['0.0.0.0/0'], false), undefined);
});
