/** Every failure code of the contract is reached through datagrams; the ways are in failureCases.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cases } from './failureCases.ts';
import { clientConfig, World } from './world.ts';

for (const [code, list] of Object.entries(cases)) {
  for (const { what, options, filter, afterwards, evidence, farewell } of list) {
    test(`${code}: ${what}`, () => {
      const world = new World(options);
      if (filter) world.filter = filter;
      world.connect();
      if (afterwards) {
        assert.equal(world.closed, false, 'it comes up first');
        afterwards(world);
      }
      world.run(200_000, () => world.closed);
      const [closed] = world.said('closed');
      assert.equal(closed?.failure?.code, code, closed?.failure?.evidence);
      assert.match(closed.failure.evidence, evidence);
      assert.match(closed.failure.evidence, /^[\x20-\x7e]{1,200}$/, 'one printable line');
      assert.equal(world.said('remove-child').length, world.said('install-child').length);
      assert.equal(world.said('established').length, afterwards ? 1 : 0);
      // Only of a gateway that has proven itself there is an IKE SA to be deleted.
      assert.equal(world.said('proven').length, afterwards || farewell === 'D' ? 1 : 0);
      if (farewell !== undefined) {
        const sent = world.said('log').filter(({ text }) => text === 'sent INFORMATIONAL request');
        assert.equal(sent.at(-1)?.fields?.payloads, farewell);
      }
      assert.equal(world.client.deadline(), undefined);
      assert.equal(world.clientSaid.at(-1)?.kind, 'closed', 'nothing comes after the end');
    });
  }
}

test('the configuration of the tests is one that works', () => {
  const world = new World({ client: clientConfig });
  world.connect();
  assert.equal(world.said('established').length, 1);
});
