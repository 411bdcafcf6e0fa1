import assert from 'node:assert/strict';
import { test } from 'node:test';
import { echoRoutes } from '../../../core/helper/echoRoutes.ts';

test('each name server is asked from our address of its family, and only then', () => {
  const addresses = [
    { address: '10.9.0.2', prefix: 32 },
    { address: 'fd00::2', prefix: 128 },
  ];
  const routes = echoRoutes({ addresses, dns: ['fd00::53', '10.1.0.53', 'no address'] });
  assert.deepEqual(
    routes.map(({ source, target }) => [source.length, source.at(-1), target.at(-1)]),
    [
      [16, 2, 0x53],
      [4, 2, 53],
    ],
  );
  assert.deepEqual(echoRoutes({ addresses: addresses.slice(1), dns: ['10.1.0.53'] }), []);
  assert.deepEqual(echoRoutes({ addresses: [], dns: ['10.1.0.53'] }), []);
});
