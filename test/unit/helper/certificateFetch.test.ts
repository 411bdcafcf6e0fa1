import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCertificateFetch } from '../../../core/helper/certificateFetch.ts';

test('one user cannot take every place', async () => {
  const fetch = createCertificateFetch({
    createMachine: () => assert.fail('nothing is opened'),
    openUdp: () => new Promise(() => {}),
    logFor: () => () => {},
    monotonic: () => performance.now(),
  });
  const ask = (owner: number) => {
    const asking = new Promise<string>((resolve) => setTimeout(() => resolve('asking'), 50));
    const request = { owner, gateway: '127.0.0.1', ports: { ike: 500, natt: 4500 }, authorities: [] };
    return Promise.race([fetch(request).then((done) => (done.ok ? 'shown' : done.error.code)), asking]);
  };
  const answers = await Promise.all([1000, 1000, 1000, 1001, 1001, 1002].map(ask));
  assert.deepEqual(answers, ['asking', 'asking', 'helper-busy', 'asking', 'asking', 'helper-busy']);
});
