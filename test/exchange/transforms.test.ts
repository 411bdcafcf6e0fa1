/** Every transform of the table, through whole dialogues between two machines. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { transforms } from '../../core/crypto/transforms.ts';
import { suiteText } from '../../core/ike/negotiation.ts';
import { type ProposalUse, proposalText } from '../../core/ike/proposals.ts';
import { proposals, World } from './world.ts';

const keywords = (type: number) => transforms.filter((row) => row.type === type).map(({ keyword }) => keyword);
const encryption = transforms.filter((row) => row.type === 1);
const integrity = keywords(3);

/** Both ends with this one proposal: connect, ask, leave. */
function talk(ike: string, esp: string): World {
  const both = (use: ProposalUse, text: string) => proposals(use, text);
  const algorithms = { ikeProposals: both('ike', ike), espProposals: both('esp', esp) };
  const world = new World({ client: algorithms, gateway: algorithms });
  world.connect();
  assert.deepEqual(world.said('closed'), []);
  assert.equal(world.said('established').length, 1);
  world.tell({ kind: 'check-liveness' });
  world.run(100);
  world.tell({ kind: 'terminate' });
  world.run(1_000, () => world.closed);
  assert.deepEqual(world.said('closed'), [{ kind: 'closed' }]);
  assert.equal(world.gatewayOutputs('closed')[0]?.failure?.evidence, 'DELETE of the IKE SA');
  return world;
}

for (const ke of keywords(4)) {
  test(`key exchange ${ke}`, () => {
    const world = talk(`aes128gcm16-prfsha256-${ke}`, 'aes128gcm16');
    assert.equal(world.said('established')[0].sa.ke.keyword, ke);
  });
}

for (const { keyword, aead } of encryption) {
  for (const integ of aead ? [''] : integrity.map((name) => `-${name}`)) {
    test(`encryption ${keyword}${integ}, IKE and ESP`, () => {
      const world = talk(`${keyword}${integ}-prfsha256-x25519`, `${keyword}${integ}-esn`);
      const { sa } = world.said('established')[0];
      const { child } = world.said('install-child')[0];
      assert.equal([sa.encr.keyword, sa.integ?.keyword].filter(Boolean).join('-'), `${keyword}${integ}`);
      assert.equal(suiteText(child), `${keyword}${integ}-esn`);
      assert.equal(child.keysIn.encryption.length, child.encr.keyBytes + child.encr.saltBytes);
      assert.equal(child.keysIn.integrity.length, child.integ?.keyBytes ?? 0);
      assert.deepEqual(child.keysIn, world.gatewayOutputs('install-child')[0].child.keysOut);
    });
  }
}

for (const prf of keywords(2)) {
  test(`PRF ${prf}`, () => {
    assert.equal(talk(`aes256-sha256-${prf}-x25519`, 'aes128gcm16').said('established')[0].sa.prf.keyword, prf);
  });
}

test('the strongest of what both have: an AEAD proposal before another', () => {
  const world = new World({
    client: { ikeProposals: proposals('ike', 'default'), espProposals: proposals('esp', 'default') },
    gateway: { ikeProposals: proposals('ike', 'default'), espProposals: proposals('esp', 'default') },
  });
  world.connect();
  const [{ sa }] = world.said('established');
  assert.equal(suiteText(sa), 'aes256gcm16-prfsha384-x25519');
  assert.equal(suiteText(world.said('install-child')[0].child), 'aes256gcm16-esn');
  assert.ok(proposals('ike', 'default').every((proposal) => proposalText(proposal).length > 0));
});
