import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createLab, type Lab } from './lab.ts';
import { type Namespace, sweep } from './namespace.ts';
import { differences, snapshot } from './snapshot.ts';

let lab: Lab;
before(async () => {
  lab = await createLab();
});
after(() => lab.close());

const ping = (from: Namespace, to: string, ...more: string[]) => from.exec(['ping', '-n', '-c', '1', '-W', '2', ...more, to]);

test('every neighbour answers, and the inside is not reachable from the laptop', async () => {
  const { laptop, office, addresses } = lab;
  for (const target of [addresses.router.lan4, addresses.router.lan6, addresses.office.wan4, addresses.office.wan6]) {
    assert.equal((await ping(laptop, target)).code, 0, target);
  }
  for (const { web4, web6, dns4, dns6 } of [addresses.intranet]) {
    for (const target of [web4, web6, dns4, dns6]) assert.equal((await ping(office, target)).code, 0, target);
  }
  assert.notEqual((await ping(laptop, addresses.intranet.web4)).code, 0);
  assert.notEqual((await ping(laptop, addresses.intranet.web6)).code, 0);
});

test('the office sees the router with NAT and the laptop without', async () => {
  const { laptop, office, addresses } = lab;
  for (const [nat, source] of [
    [false, addresses.laptop.v4],
    [true, addresses.router.wan4],
  ] as const) {
    await lab.setNat(nat);
    assert.equal(await udpSource(laptop, office, addresses.office.wan4), source);
  }
  // Behind NAT nobody gets in who was not asked.
  assert.notEqual((await office.exec(['ping', '-n', '-c', '1', '-W', '1', addresses.laptop.v4])).code, 0);
});

test('resolv.conf of the laptop is its own', async () => {
  assert.equal(await lab.laptop.must(['cat', '/etc/resolv.conf']), `nameserver ${lab.addresses.router.lan4}\n`);
});

test('loss, duplication, delay and reordering have their effect in both families, and end', async () => {
  const { laptop, router, addresses } = lab;
  const clean = await snapshot(router);
  for (const target of [addresses.office.wan4, addresses.office.wan6]) {
    const burst = ['ping', '-n', '-i', '0.005', '-c', '200', '-W', '1', target];
    await lab.impair({ lossPercent: 20, seed: 7 });
    const received = Number(/(\d+) received/.exec((await laptop.exec(burst)).stdout)?.[1]);
    assert.ok(received > 60 && received < 190, `${received} of 200 with 36 % expected loss`);

    await lab.impair({ duplicatePercent: 50, seed: 7 });
    assert.match((await laptop.exec(burst)).stdout, /DUP!/);

    await lab.impair({ delayMs: 40 });
    const rtt = Number(/min\/avg\/max\/mdev = ([\d.]+)/.exec((await ping(laptop, target)).stdout)?.[1]);
    assert.ok(rtt >= 79, `${rtt} ms with 40 ms each way`);

    await lab.impair({ reorderPercent: 30, seed: 7 });
    const numbers = [...(await laptop.exec(burst)).stdout.matchAll(/icmp_seq=(\d+)/g)].map((match) => Number(match[1]));
    assert.equal(numbers.length, 200, 'nothing is lost');
    assert.ok(
      numbers.some((number, index) => index > 0 && number < (numbers[index - 1] ?? 0)),
      'some came out of order',
    );
  }
  assert.equal(await udpSource(laptop, lab.office, addresses.office.wan4), addresses.router.wan4, 'NAT works through the relay');
  await lab.impair({});
  assert.deepEqual(differences(clean, await snapshot(router)), []);
  assert.equal((await ping(laptop, addresses.office.wan4)).code, 0);
});

test('an idle link is silent', async () => {
  // A quiet second, after the pings above have been answered and neighbours are known.
  const capture = await lab.laptop.exec(['timeout', '2', 'tcpdump', '-n', '-i', lab.devices.laptop, 'not arp and not icmp6']);
  assert.match(capture.stderr, /\n0 packets captured/);
});

test('close removes all of it', async () => {
  const other = await createLab({ nat: false, ipv6: false });
  const names = [other.laptop, other.router, other.office, other.intranet].map((namespace) => namespace.name);
  await other.impair({ lossPercent: 1 });
  const left = other.laptop.spawn(['sleep', '1000'], { stdio: 'ignore' });
  const ended = once(left, 'exit');
  await other.close();
  await ended;
  assert.deepEqual(traces(names), []);
  await other.close();
});

for (const how of ['throw', 'SIGTERM', 'SIGINT'] as const) {
  test(`nothing is left after ${how}`, async () => {
    const { names } = await crash(how);
    assert.deepEqual(traces(names), []);
  });
}

test('what a killed process left is swept', async () => {
  const { names } = await crash('SIGKILL');
  assert.notDeepEqual(traces(names), [], 'SIGKILL leaves no chance to tidy up');
  const swept = sweep();
  for (const name of names) assert.ok(swept.includes(name), name);
  assert.deepEqual(traces(names), []);
  assert.equal((await lab.laptop.exec(['true'])).code, 0, 'ours is alive');
});

/** What is still there of these namespaces. */
function traces(names: readonly string[]): string[] {
  const folders = ['/run/netns', '/etc/netns'].filter((folder) => existsSync(folder));
  return folders.flatMap((folder) => readdirSync(folder).filter((name) => names.includes(name)));
}

/** Another process makes a lab, and then ends badly. */
async function crash(how: 'throw' | NodeJS.Signals): Promise<{ names: string[] }> {
  const module = fileURLToPath(new URL('./lab.ts', import.meta.url));
  const program = `
    import { createLab } from ${JSON.stringify(module)};
    const lab = await createLab();
    process.stdout.write(JSON.stringify([lab.laptop.name, lab.router.name, lab.office.name, lab.intranet.name]) + '\\n');
    if (${JSON.stringify(how)} === 'throw') setTimeout(() => { throw new Error('on purpose'); }, 50);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'exit');
  let errors = '';
  child.stderr.on('data', (data: Buffer) => {
    errors += data.toString();
  });
  const [line] = (await Promise.race([once(child.stdout, 'data'), ended.then(() => [Buffer.from('[]')])])) as [Buffer];
  if (how !== 'throw') child.kill(how);
  await ended;
  const names = JSON.parse(line.toString()) as string[];
  assert.equal(names.length, 4, errors);
  return { names };
}

/** The source address with which a datagram from `from` arrives at `to`. */
async function udpSource(from: Namespace, to: Namespace, address: string): Promise<string> {
  const receiver = to.spawn(
    [
      process.execPath,
      '-e',
      `const s = require('dgram').createSocket('udp4');
       s.on('message', (_, peer) => { console.log(peer.address); process.exit(0); });
       s.bind(4000, () => console.log('ready'));`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const ended = once(receiver, 'exit');
  let output = '';
  receiver.stdout?.on('data', (data: Buffer) => {
    output += data.toString();
  });
  while (!output.includes('ready')) await once(receiver.stdout ?? receiver, 'data');
  const sender = from.spawn(
    [
      process.execPath,
      '-e',
      `const s = require('dgram').createSocket('udp4');
       setInterval(() => s.send('x', 4000, '${address}'), 100);`,
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  // In case nothing comes.
  const patience = setTimeout(() => receiver.kill(), 20_000);
  await ended;
  clearTimeout(patience);
  sender.kill();
  return output.replace('ready\n', '').trim();
}
