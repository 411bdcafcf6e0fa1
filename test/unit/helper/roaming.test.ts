/** What the network's news become for the IKE machine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startRoaming } from '../../../core/helper/roaming.ts';
import type { Path } from '../../../core/ike/sa/contract.ts';

const gateway = '198.51.100.10';
const ports = { ike: 500, natt: 4500 };

function world({ transport, named = [] }: { readonly transport?: 'tcp'; readonly named?: readonly string[] } = {}) {
  const sources = new Map([[gateway, '192.0.2.7']]);
  const told: (readonly Path[])[] = [];
  const opened: number[] = [];
  let news: (news: { readonly addresses: boolean }) => void = () => {};
  let closed = 0;
  const roaming = startRoaming(
    {
      network: {
        watch: (_, onChange) => {
          news = onChange;
          return { close: () => closed++ };
        },
        sourceTowards: (address) => sources.get(address),
      },
      sockets: async (family) => {
        opened.push(family);
        return { ike: 1000 + family, natt: 2000 + family };
      },
      named: () => named,
      tell: (paths) => told.push(paths),
      log: () => {},
    },
    'sally0',
    { local: { address: '192.0.2.7', port: 2004 }, remote: { address: gateway, port: 4500, ...(transport && { transport }) } },
    ports,
  );
  const changed = async (addresses = false): Promise<void> => {
    news({ addresses });
    await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const ways = () => told.map((paths) => paths.map(({ local, remote }) => `${local.address} ${remote.address}`));
  return { sources, told, opened, roaming, changed, ways, closed: () => closed };
}

test('nothing is told while all is as it was, unless an address came or went', async () => {
  const { changed, ways } = world();
  await changed();
  assert.deepEqual(ways(), []);
  await changed(true);
  assert.deepEqual(ways(), [['192.0.2.7 198.51.100.10']]);
});

test('where the kernel never tells of a way, that there is none is not known either', async () => {
  const { sources, changed, ways } = world();
  sources.clear();
  await changed();
  await changed(true);
  assert.deepEqual(ways(), []);
});

test('over TCP the ways over UDP are told to begin with, and then like any others', async () => {
  const { changed, ways } = world({ transport: 'tcp' });
  await changed();
  assert.deepEqual(ways(), [['192.0.2.7 198.51.100.10']]);
  await changed();
  assert.equal(ways().length, 1);
});

test('another address, none, and one of the other family with sockets of its own', async () => {
  const { sources, told, opened, roaming, changed, ways } = world();
  sources.set(gateway, '203.0.113.9');
  await changed();
  sources.clear();
  await changed();
  await changed();
  const six = '2001:db8:f::10';
  sources.set(six, '2001:db8:a::7');
  roaming.peerAddresses(['10.10.0.1', gateway, 'fd10::1', six]);
  await changed();
  assert.deepEqual(ways(), [['203.0.113.9 198.51.100.10'], [], ['2001:db8:a::7 2001:db8:f::10']]);
  assert.deepEqual(told.at(-1)?.[0].local.ports, { ike: 1006, natt: 2006 });
  assert.equal(opened.at(-1), 6);
  // Public addresses of the gateway come before those inside.
  sources.set('10.10.0.1', '192.0.2.7').set('fd10::1', '2001:db8:a::7').set(gateway, '192.0.2.7');
  await changed();
  assert.deepEqual(
    told.at(-1)?.map(({ remote }) => remote.address),
    [gateway, six, '10.10.0.1', 'fd10::1'],
  );
});

test('where no address of the gateway can be reached, those of its name are tried, and left again', async () => {
  const { sources, changed, ways } = world({ named: [gateway, '2001:db8:f::10'] });
  sources.set('2001:db8:f::10', '2001:db8:a::7');
  await changed();
  assert.deepEqual(ways(), [], 'it may be another machine');
  sources.delete(gateway);
  await changed();
  sources.set(gateway, '203.0.113.9');
  await changed();
  assert.deepEqual(ways(), [['2001:db8:a::7 2001:db8:f::10'], ['203.0.113.9 198.51.100.10']]);
});

test('when it is over, nothing is told any more', async () => {
  const { sources, roaming, changed, ways, closed } = world();
  sources.clear();
  roaming.stop();
  await changed(true);
  assert.deepEqual([ways(), closed()], [[], 1]);
});
