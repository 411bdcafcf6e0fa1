/** The whole of it: the head office's process, the helper and the command line, in the lab. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ChildCounters } from '../../core/dataplane/contract.ts';
import type { Status } from '../../core/rpc/contract.ts';
import { type ReasonCode, reasons } from '../../core/tunnel/reasons.ts';
import { buildStage, type Stage } from '../lab/demo/stage.ts';
import { differences, type HostSnapshot, snapshot } from '../lab/snapshot.ts';
import type { SaSummary } from './config.ts';
import type { MisbehaviourName } from './misbehaviours.ts';

let stage: Stage;
let clean: HostSnapshot;

before(async () => {
  stage = await buildStage({ reach: 'split' }, () => {});
  clean = await snapshot(stage.lab.laptop);
});
after(() => stage?.close());

interface OfficeSa extends Omit<SaSummary, 'children'> {
  readonly children: readonly { readonly spiIn: number; readonly spiOut: number; readonly counters?: ChildCounters }[];
}

async function officeSas(): Promise<readonly OfficeSa[]> {
  stage.office.gateway.send({ do: 'list-sas' });
  const answer = await stage.office.gateway.next((line) => line.event === 'sas', 5_000);
  return answer.sas as readonly OfficeSa[];
}

async function misbehave(...names: readonly MisbehaviourName[]): Promise<void> {
  stage.office.gateway.send({ do: 'misbehave', names });
  const answer = await stage.office.gateway.next((line) => line.event === 'misbehaving', 5_000);
  assert.deepEqual(answer.names, names);
}

async function status(): Promise<Status> {
  const asked = await stage.cli('--json', 'status');
  assert.equal(asked.code, 0, asked.stdout);
  return JSON.parse(asked.stdout) as Status;
}

async function up(): Promise<void> {
  const connected = await stage.cli('up', stage.profile, '--timeout', '30');
  assert.equal(connected.code, 0, `${connected.stderr}${stage.helperSaid()}${stage.office.gateway.recent()}`);
}

async function down(): Promise<void> {
  assert.equal((await stage.cli('down')).code, 0);
  assert.deepEqual(differences(clean, await snapshot(stage.lab.laptop)), []);
}

const ping = (...more: readonly string[]): Promise<{ readonly code: number; readonly stdout: string }> =>
  stage.lab.laptop.exec(['ping', '-n', '-c', '3', '-i', '0.05', '-W', '2', ...more, stage.lab.addresses.intranet.web4]);

test('both ends show the same SAs, and count the same packets', async () => {
  await up();
  assert.equal((await ping()).code, 0);
  // Probes of the path may be under way: until nothing moved between the two answers.
  const counts = async () => {
    const [sa] = await officeSas();
    const mine = await status();
    const [child] = mine.children;
    const [theirs] = sa?.children ?? [];
    assert.equal(sa?.id, mine.ike?.spiR);
    assert.equal(Number(child?.spiIn), theirs?.spiOut);
    assert.equal(Number(child?.spiOut), theirs?.spiIn);
    assert.ok(child !== undefined && theirs?.counters !== undefined);
    const { packetsOut, packetsIn } = theirs.counters;
    return { child, ours: [child.packetsOut, child.packetsIn], theirs: [packetsIn, packetsOut] };
  };
  let { child, ours, theirs } = await counts();
  for (const until = Date.now() + 20_000; `${ours}` !== `${theirs}` && Date.now() < until; )
    ({ child, ours, theirs } = await counts());
  assert.deepEqual(ours, theirs);
  assert.ok(child.packetsIn >= 3);
  assert.deepEqual(child.remoteSelectors, [stage.lab.addresses.networks.office4, stage.lab.addresses.networks.office6]);
  await down();
  assert.deepEqual(await officeSas(), []);
});

test('an office that ends the connection: it is brought back, and nobody is asked', async () => {
  await up();
  const before = (await status()).ike?.spiI;
  stage.office.gateway.send({ do: 'terminate' });
  await stage.office.gateway.next((line) => line.event === 'sa-deleted', 5_000);
  const until = Date.now() + 20_000;
  for (let now = await status(); now.state !== 'connected' || now.ike?.spiI === before; now = await status()) {
    assert.notEqual(now.state, 'failed', now.failure?.evidence);
    assert.ok(Date.now() < until, `it is back: ${now.state}`);
  }
  assert.equal((await ping()).code, 0);
  await down();
});

test('an inner source outside the selectors is dropped and counted', async () => {
  await misbehave('esp-outside-selectors');
  await up();
  const outside = '203.0.113.9';
  await stage.lab.office.ip([`addr add ${outside}/32 dev lo`]);
  const [virtual = ''] = (await status()).virtualIps;
  const forged = await stage.lab.office.exec([
    'ping',
    '-n',
    '-c',
    '4',
    '-i',
    '0.05',
    '-W',
    '1',
    '-I',
    outside,
    virtual.replace(/\/\d+$/, ''),
  ]);
  assert.notEqual(forged.code, 0, 'nobody answers');
  const [child] = (await status()).children;
  assert.equal(child?.dropsSelector, 4);
  assert.equal((await ping()).code, 0, 'honest packets still pass');
  await down();
  await misbehave();
});

test('every ESP packet twice: the second is a replay', async () => {
  await up();
  await stage.lab.impair({ duplicatePercent: 100 });
  try {
    const replays = async (): Promise<number> => (await status()).children[0]?.dropsReplay ?? 0;
    // A busy kernel may lose the copy of one.
    for (const until = Date.now() + 10_000; Date.now() < until && (await replays()) < 3; ) {
      const pinged = await ping();
      assert.equal(pinged.code, 0);
      assert.doesNotMatch(pinged.stdout, /DUP!/);
    }
    assert.ok((await replays()) >= 3, `${await replays()} replays`);
  } finally {
    await stage.lab.impair({});
    await down();
  }
});

/** What the user is told, by the real command line. */
const told: Readonly<Partial<Record<MisbehaviourName, ReasonCode>>> = {
  'wrong-auth': 'gateway-authentication-failed',
  'wrong-identity': 'gateway-identity',
  'proposal-not-offered': 'gateway-misbehaved',
  'endless-invalid-ke': 'ke-refused',
  'public-value-zero': 'gateway-misbehaved',
  'address-loopback': 'no-address',
  'child-no-proposal': 'child-no-proposal-chosen',
  'ts-unacceptable': 'ts-unacceptable',
  'no-address': 'no-address',
};

for (const [name, code] of Object.entries(told)) {
  test(`${name}: the command line says ${code} and leaves nothing`, async () => {
    await misbehave(name as MisbehaviourName);
    const tried = await stage.cli('--json', 'up', stage.profile, '--timeout', '30');
    const { error } = JSON.parse(tried.stdout) as { readonly error?: { readonly code: string } };
    assert.equal(error?.code, code, tried.stdout);
    assert.equal(tried.code, reasons[code].exitCode);
    assert.deepEqual(differences(clean, await snapshot(stage.lab.laptop)), []);
  });
}

test('after all of that the honest office is reached', async () => {
  await misbehave();
  await up();
  assert.equal((await ping()).code, 0);
  await down();
});
