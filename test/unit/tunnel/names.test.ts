/** Names of gateways, which can hardly be looked up while the traffic of a lost tunnel is held back: they are looked up while there is one. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { err, ok } from '../../../core/bytes/result.ts';
import { newMemory, startAttempts } from '../../../core/helper/attempts.ts';
import { type GatewayAddresses, learn, namesOf } from '../../../core/helper/gatewayNames.ts';
import { watchWays } from '../../../core/helper/gatewayWays.ts';
import type { IkeOutput } from '../../../core/ike/sa/contract.ts';
import type { Profile } from '../../../core/profile/model.ts';
import { failure } from '../../../core/tunnel/explain.ts';
import type { Address } from '../../../core/tunnel/race.ts';
import { statusFor } from '../../../core/tunnel/status.ts';
import { sampleProfile } from '../helper/sampleProfile.ts';
import { comesUp, fakeWorld, neverAnswers, scriptedMachine } from './fakes.ts';

const four = (address: string): Address => ({ address, family: address.includes(':') ? 6 : 4 });
const texts = (addresses: readonly Address[] | undefined) => addresses?.map(({ address }) => address);
/** What the gateway says next: a datagram's first octet. */
const [REDIRECT, LOST] = [1, 2];

/** `zone`: what names stand for, as long as `asks` lets anybody ask. */
async function up(context: TestContext, zone: Map<string, readonly string[]>, changes: Partial<Profile> = {}) {
  context.mock.timers.enable({ apis: ['setInterval'] });
  const fake = fakeWorld();
  const memory = newMemory();
  const asked: string[] = [];
  const silent = new Set<string>();
  let asks = true;
  const inputs: string[] = [];
  const paths: (readonly string[])[] = [];
  const watching = new Set<(news: { readonly addresses: boolean }) => void>();
  let source = (_address: string): string | undefined => '127.0.0.1';
  const attempts = startAttempts(
    {
      ...fake.deps,
      random: () => 0,
      lookUp: async (name) => {
        asked.push(name);
        const found = asks ? zone.get(name) : undefined;
        return found ? ok(found.map(four)) : err(failure('name-not-resolved', name));
      },
      createMachine: (config) => {
        fake.configs.push(config);
        return scriptedMachine((input, emit) => {
          inputs.push(input.kind);
          if (input.kind === 'paths') paths.push(input.paths.map(({ remote }) => remote.address));
          const end = (output: IkeOutput) => {
            asks = false;
            emit(output);
          };
          if (input.kind === 'datagram' && input.bytes[0] === REDIRECT) emit({ kind: 'redirecting', gateway: 'second.test' });
          else if (input.kind === 'datagram') end({ kind: 'closed', failure: { code: 'gateway-lost', evidence: 'x' } });
          else if (input.kind === 'leave')
            end({ kind: 'closed', failure: { code: 'redirected', evidence: 'x', redirect: 'second.test' } });
          else (silent.has(config.remote.address) ? neverAnswers : comesUp)(input, emit);
        });
      },
      network: {
        watch: (_, onChange) => {
          watching.add(onChange);
          return { close: () => watching.delete(onChange) };
        },
        sourceTowards: (address) => source(address),
        missing: () => [],
      },
      log: () => {},
      onChange: () => {},
    },
    {
      owner: 1000,
      profile: sampleProfile({ gateway: 'first.test', ...changes }),
      secret: { psk: new TextEncoder().encode('the key of this gateway') },
      memory,
      recall: () => new TextEncoder().encode('the key of this gateway'),
      mayRemember: () => true,
      remember: () => {},
    },
  );
  const until = async (reached: () => boolean) => {
    const late = performance.now() + 5_000;
    while (!reached() && performance.now() < late) await new Promise(setImmediate);
    assert.ok(reached(), `${statusFor(attempts.facts(), 1000, 0).state} ${asked}`);
  };
  const connected = () => statusFor(attempts.facts(), 1000, 0).state === 'connected';
  await until(connected);
  return {
    ...fake,
    attempts,
    memory,
    asked,
    silent,
    inputs,
    paths,
    until,
    /** In another network, where these are our addresses. */
    roams(towards: (address: string) => string | undefined) {
      source = towards;
      for (const tell of watching) tell({ addresses: true });
    },
    answers: () => {
      asks = true;
    },
    connected,
    says: (what: number) => attempts.datagram(new Uint8Array(28).fill(what), 'natt', { address: '127.0.0.1', port: 4500 }),
  };
}

test('sent to a name, it is looked up before the tunnel is left, and then found (RFC 5685 §5)', async (context) => {
  const zone = new Map([
    ['first.test', ['127.0.0.1']],
    ['second.test', ['127.0.0.2']],
  ]);
  const it = await up(context, zone);
  it.says(REDIRECT);
  await it.until(() => it.configs.length === 2);
  await it.until(it.connected);
  assert.deepEqual([it.configs[1]?.remote.address, it.configs[1]?.redirect?.from], ['127.0.0.2', '192.0.2.1']);
  assert.equal(it.calls.includes('revert'), false);
  await it.attempts.end();
});

test('a name that cannot be looked up keeps nobody', async (context) => {
  const it = await up(context, new Map([['first.test', ['127.0.0.1']]]));
  it.says(REDIRECT);
  await it.until(() => it.inputs.includes('leave'));
  // And then the first one again.
  await it.until(() => it.configs.length === 2 && it.connected());
  await it.attempts.end();
});

test('what the gateways are called is looked up now and then while it is up: an address of its own later is found', async (context) => {
  const zone = new Map([['first.test', ['127.0.0.1']]]);
  const it = await up(context, zone, { gateways: ['192.0.2.7'] });
  zone.set('first.test', ['127.0.0.3']);
  context.mock.timers.tick(600_000);
  await it.until(() => it.memory.addresses.get('first.test')?.length === 2);
  assert.deepEqual(it.asked, ['first.test', '192.0.2.7', 'first.test'], 'an address is no name');
  it.silent.add('127.0.0.1');
  it.says(LOST);
  await it.until(() => it.configs.some(({ remote }) => remote.address === '127.0.0.3') && it.connected());
  await it.attempts.end();
  context.mock.timers.tick(600_000);
  const { length } = it.asked;
  context.mock.timers.tick(600_000);
  assert.equal(it.asked.length, length);
});

/** A network of IPv6 only, whose name servers tell of IPv4 gateways at addresses of a translator (RFC 6147). */
const onlySix = (address: string) => (address.includes(':') ? '2001:db8:a::7' : undefined);

test('in a network without a way to what is known, the name is asked anew: connected, it goes on there', async (context) => {
  const zone = new Map([['first.test', ['192.0.2.1']]]);
  const it = await up(context, zone);
  zone.set('first.test', ['192.0.2.1', '64:ff9b::c000:201']);
  it.roams(onlySix);
  await it.until(() => it.paths.some((paths) => paths.includes('64:ff9b::c000:201')));
  assert.deepEqual(it.asked, ['first.test', 'first.test']);
  await it.attempts.end();
});

test('and lost, it is tried there', async (context) => {
  const zone = new Map([['first.test', ['192.0.2.1']]]);
  const it = await up(context, zone);
  it.roams(() => undefined);
  it.says(LOST);
  await it.until(() => statusFor(it.attempts.facts(), 1000, 0).state === 'blocked');
  it.answers();
  it.silent.add('192.0.2.1');
  zone.set('first.test', ['192.0.2.1', '64:ff9b::c000:201']);
  it.roams(onlySix);
  await it.until(() => it.configs.some(({ remote }) => remote.address === '64:ff9b::c000:201') && it.connected());
  await it.attempts.end();
});

test('a name that has other addresses now, in the same order or not, is no other network', () => {
  const memory = newMemory();
  memory.addresses.set('first.test', [four('192.0.2.1'), four('2001:db8::1')]);
  const ways: boolean[] = [];
  let change = (_news: { readonly addresses: boolean }) => {};
  let ours = '198.51.100.7';
  const watch = watchWays(
    {
      network: {
        watch: (_, onChange) => {
          change = onChange;
          return { close: () => {} };
        },
        sourceTowards: (address) => (address.includes(':') ? '2001:db8:a::7' : ours),
        missing: () => [],
      },
      lookUp: async (name) => err(failure('name-not-resolved', name)),
      isUp: () => false,
      onWays: (usable) => ways.push(usable),
      onNames: () => {},
    },
    sampleProfile({ gateway: 'first.test' }),
    memory,
  );
  memory.addresses.set('first.test', [four('2001:db8::1'), four('192.0.2.1'), four('192.0.2.2')]);
  change({ addresses: false });
  assert.deepEqual(ways, []);
  ours = '203.0.113.9';
  change({ addresses: true });
  assert.deepEqual(ways, [true]);
  watch.stop();
});

test('name servers that are known later than the addresses are asked again, and not for ever', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const memory = newMemory();
  memory.addresses.set('first.test', [four('192.0.2.1')]);
  const ways: boolean[] = [];
  let source = (_address: string): string | undefined => '192.0.2.7';
  let change = (_news: { readonly addresses: boolean }) => {};
  let asked = 0;
  let answers = false;
  const watch = watchWays(
    {
      network: {
        watch: (_, onChange) => {
          change = onChange;
          return { close: () => {} };
        },
        sourceTowards: (address) => source(address),
        missing: () => [],
      },
      lookUp: async (name) => {
        asked++;
        return answers ? ok([four('64:ff9b::c000:201')]) : err(failure('name-not-resolved', name));
      },
      isUp: () => false,
      onWays: (usable) => ways.push(usable),
      onNames: () => {},
    },
    sampleProfile({ gateway: 'first.test' }),
    memory,
  );
  const pass = async (milliseconds: number) => {
    for (let passed = 0; passed < milliseconds; passed += 1_000) {
      context.mock.timers.tick(1_000);
      await new Promise(setImmediate);
    }
  };
  source = onlySix;
  change({ addresses: true });
  await pass(60_000);
  assert.deepEqual([asked, ways], [3, [false]]);
  change({ addresses: false });
  await pass(1_000);
  answers = true;
  await pass(10_000);
  assert.deepEqual([asked, ways], [5, [false, true]]);
  assert.deepEqual(texts(memory.addresses.get('first.test')), ['192.0.2.1', '64:ff9b::c000:201']);
  watch.stop();
});

test('the answer from inside is one more, never the only one; outside it is the truth', () => {
  const known: GatewayAddresses = new Map([['a.test', [four('192.0.2.1'), four('192.0.2.2')]]]);
  assert.equal(learn(known, 'a.test', [four('10.0.0.1'), four('192.0.2.2')], true), true);
  assert.deepEqual(texts(known.get('a.test')), ['192.0.2.1', '192.0.2.2', '10.0.0.1']);
  assert.equal(learn(known, 'a.test', [four('10.0.0.1')], true), false);
  for (let i = 0; i < 40; i++) learn(known, 'a.test', [four(`10.0.1.${i}`)], true);
  assert.equal(known.get('a.test')?.length, 16);
  assert.equal(texts(known.get('a.test'))?.[0], '192.0.2.1');
  const many = Array.from({ length: 16 }, (_, i) => four(`10.0.2.${i}`));
  assert.equal(learn(known, 'a.test', many, true), true);
  assert.deepEqual([known.get('a.test')?.length, texts(known.get('a.test'))?.[0]], [16, '192.0.2.1'], 'however many');
  assert.equal(learn(known, 'a.test', [four('192.0.2.9')], false), true);
  assert.deepEqual(texts(known.get('a.test')), ['192.0.2.9']);
  assert.equal(learn(known, 'b.test', [four('192.0.2.9')], true), true);
  assert.deepEqual(namesOf({ gateway: '192.0.2.1', gateways: ['b.test', '2001:db8::1'] }), ['b.test']);
});
