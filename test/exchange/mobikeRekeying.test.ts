/** Addresses that change while an IKE SA is made or rekeyed (RFC 4555 §3.3, §3.5, RFC 7296 §2.18): the office learns of the last one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLifetimes } from '../../core/ike/sa/lifetimes.ts';
import { officeAt, pathOf, Road } from './road.ts';

const home = { from: '192.0.2.7', to: officeAt.address };
const cafe = { from: '203.0.113.20', to: officeAt.address };
/** Nobody rekeys unless told to. */
const never = { soft: Number.POSITIVE_INFINITY, hard: Number.POSITIVE_INFINITY };
const lifetimes = { ...defaultLifetimes, ike: never, child: never };

function connected(): Road {
  return new Road({ client: { lifetimes }, office: { lifetimes } }).connect();
}

/** The exchanges that the client began since then, each with the IKE SA that it was in: the first, or the next. */
function asked(road: Road, since: number): readonly string[] {
  const sas = new Set(road.outputs('log').map(({ fields }) => fields?.spiR));
  sas.delete('0000000000000000');
  const lines = road.outputs('log').slice(since);
  const sent = lines.filter(({ text }) => /^sent .* request/.test(text));
  return sent.map(({ fields }) => `${[...sas].indexOf(fields?.spiR)}: ${String(fields?.payloads).split(' ')[0]}`);
}

test('an update that is lost with the IKE SA it was sent in is sent in the one that takes its place', () => {
  const road = connected();
  const since = road.outputs('log').length;
  let lost = 0;
  road.passes = (by) => by === 'office' || ++lost > 1;
  // Wi-Fi beside the cable, whose address works for a while.
  road.streets = [cafe, home];
  road.tell({ kind: 'paths', paths: [pathOf(cafe.from)] });
  road.tellOffice({ kind: 'rekey-ike' });
  assert.ok(road.run(1_000, () => road.officeSends?.address === cafe.from));
  road.streets = [cafe];
  road.run(100);
  assert.deepEqual(asked(road, since), ['0: N(UPDATE_SA_ADDRESSES)', '1: N(UPDATE_SA_ADDRESSES)']);
  assert.equal(road.outputs('moved').at(-1)?.settled, true);
});

test('our answer to the rekeying is lost where we are not any more: the update goes in the IKE SA that the office knows', () => {
  const road = connected();
  const since = road.outputs('log').length;
  road.tellOffice({ kind: 'rekey-ike' });
  road.passes = (by) => by === 'office';
  road.run(15);
  assert.equal(road.outputs('ike-rekeyed').length, 1, 'for the client');
  road.passes = () => true;
  road.network([cafe]);
  assert.ok(road.run(1_000, () => road.officeSends?.address === cafe.from));
  road.run(100);
  // In the new one too: the office might have got the answer, and gone on to it before it was told in the other.
  assert.deepEqual(asked(road, since), ['0: N(UPDATE_SA_ADDRESSES)', '1: N(UPDATE_SA_ADDRESSES)']);
  road.run(60_000);
  assert.equal(road.outputs('closed').length, 0);
});

test('a move at any moment of a rekeying by the office, with the old address alive for a while or gone', () => {
  for (const beside of [true, false]) {
    for (const loses of [0, 1, 2, 3, 4]) {
      for (const after of [0, 5, 11, 15, 21, 25, 31, 35, 45]) {
        const road = connected();
        const where = `${beside} ${loses} ${after}`;
        road.tellOffice({ kind: 'rekey-ike' });
        road.run(after);
        road.streets = beside ? [cafe, home] : [cafe];
        let left = loses;
        road.passes = () => left-- <= 0;
        road.tell({ kind: 'paths', paths: [pathOf(cafe.from)] });
        road.run(5_000);
        road.streets = [cafe];
        road.run(60_000);
        assert.equal(road.outputs('closed').length, 0, where);
        assert.equal(road.officeSends?.address, cafe.from, where);
        assert.equal(road.outputs('moved').at(-1)?.settled, true, where);
      }
    }
  }
});

test('elsewhere for a moment of IKE_AUTH: the office took the address from there, and learns that we are back (§3.3)', () => {
  const road = new Road({ client: { lifetimes }, office: { lifetimes } });
  road.passes = (by) => by === 'client' || road.messages().length < 3;
  road.tell({ kind: 'start' });
  road.run(100, () => road.messages().some((line) => line.startsWith('sent IKE_AUTH')));
  // The first IKE_AUTH is lost with the network, the second goes from the next one, the answer does not come back.
  road.streets = [cafe];
  road.run(1_000);
  assert.equal(road.officeSends?.address, cafe.from);
  road.streets = [home];
  road.passes = () => true;
  road.run(5_000);
  assert.equal(road.outputs('established').length, 1);
  assert.deepEqual(road.officeSends, { address: home.from, port: 4500 });
  assert.equal(road.outputs('closed').length, 0);
});
