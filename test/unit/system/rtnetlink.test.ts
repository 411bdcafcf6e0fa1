import assert from 'node:assert/strict';
import { closeSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { datagramBatch } from '../../../core/dataplane/datagrams.ts';
import { plainMemory } from '../../../core/ip/packetMemory.ts';
import { decodeMessages } from '../../../core/system/linux/netlinkCodec.ts';
import { Rtnetlink, type Rule } from '../../../core/system/linux/rtnetlink.ts';
import { packSockaddr, unpackSockaddr } from '../../../core/system/linux/sockaddr.ts';
import { type LinuxTun, openTun } from '../../../core/system/linux/tun.ts';
import { LinuxUdp, openUdp } from '../../../core/system/linux/udp.ts';
import { ip, isolated, run } from '../../host/isolated.ts';
import { fillDatagrams } from './datagrams.ts';

if (isolated(import.meta.url)) {
  const opened = Rtnetlink.open();
  assert(opened.ok);
  const netlink = opened.value;

  const must = <T>(
    result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: { readonly detail: string } },
  ): T => {
    if (!result.ok) throw new Error(result.error.detail);
    return result.value;
  };

  function device(name: string): { index: number; tun: LinuxTun; [Symbol.dispose](): void } {
    const { fd, tun } = must(openTun(name));
    const link = must(netlink.link(name));
    assert(link !== undefined);
    return { index: link.index, tun, [Symbol.dispose]: () => closeSync(fd) };
  }

  test('links: what ip says, after we and after ip changed them', () => {
    using sally = device('sally0');
    assert.deepEqual(must(netlink.link('sally0')), { index: sally.index, name: 'sally0', mtu: 1500, up: false, kind: 'tun' });
    must(netlink.setLink(sally.index, { up: true, mtu: 1380 }));
    const [told] = ip('-d', 'link', 'show', 'sally0');
    assert.equal(told.mtu, 1380);
    assert(Array.isArray(told.flags) && told.flags.includes('UP'));
    run('ip', 'link', 'set', 'sally0', 'down', 'mtu', '1400');
    assert.deepEqual(must(netlink.link('sally0')), { index: sally.index, name: 'sally0', mtu: 1400, up: false, kind: 'tun' });
    assert.deepEqual(
      must(netlink.links()).map(({ index, name, mtu }) => ({ index, name, mtu })),
      ip('link').map((link) => ({ index: link.ifindex, name: link.ifname, mtu: link.mtu })),
    );
    must(netlink.deleteLink(sally.index));
    assert.equal(must(netlink.link('sally0')), undefined);
  });

  test('addresses of both families, IPv6 usable at once, no route with them', () => {
    using sally = device('sally1');
    must(netlink.setLink(sally.index, { up: true }));
    const wanted = [
      { address: '10.9.8.7', prefix: 24 },
      { address: '2001:db8::7', prefix: 64 },
    ];
    for (const address of wanted) must(netlink.addAddress(sally.index, address));
    const [told] = ip('addr', 'show', 'sally1');
    assert(Array.isArray(told.addr_info));
    const global = told.addr_info.filter(({ scope }) => scope === 'global');
    assert.deepEqual(
      global.map(({ local, prefixlen }) => ({ address: local, prefix: prefixlen })),
      wanted,
    );
    assert.equal(global[1].tentative, undefined);
    assert.equal(global[1].nodad, true);
    assert.deepEqual(
      must(netlink.addresses(sally.index)).filter(({ address }) => !address.startsWith('fe80')),
      wanted,
    );
    assert.deepEqual(ip('-4', 'route', 'show', 'dev', 'sally1', 'table', 'main'), []);
    assert.deepEqual(
      ip('-6', 'route', 'show', 'dev', 'sally1', 'table', 'main').filter(({ dst }) => dst !== 'fe80::/64'),
      [],
    );
    for (const address of wanted) must(netlink.deleteAddress(sally.index, address));
    assert.deepEqual(
      must(netlink.addresses(sally.index)).filter(({ address }) => !address.startsWith('fe80')),
      [],
    );
  });

  test('routes of our table only', () => {
    using sally = device('sally2');
    must(netlink.setLink(sally.index, { up: true }));
    must(netlink.addAddress(sally.index, { address: '10.9.8.7', prefix: 32 }));
    must(netlink.addAddress(sally.index, { address: '2001:db8::7', prefix: 128 }));
    const table = 23057;
    const routes = [
      { family: 4, destination: '0.0.0.0/0', table, interface: sally.index },
      { family: 4, destination: '10.20.0.0/16', table, interface: sally.index },
      { family: 6, destination: '::/0', table, interface: sally.index },
      { family: 6, destination: '2001:db8:1::/48', table, interface: sally.index },
    ] as const;
    assert.deepEqual(must(netlink.routes(table)), []);
    run('ip', 'route', 'add', '192.0.2.0/24', 'dev', 'sally2');
    for (const route of routes) must(netlink.addRoute(route));
    const byDestination = (a: { readonly destination: string }, b: { readonly destination: string }): number =>
      a.destination < b.destination ? -1 : 1;
    assert.deepEqual([...must(netlink.routes(table))].sort(byDestination), [...routes].sort(byDestination));
    const v4 = ip('-4', 'route', 'show', 'table', String(table));
    assert.deepEqual(
      v4.map(({ dst, dev, scope }) => ({ dst, dev, scope })),
      [
        { dst: 'default', dev: 'sally2', scope: 'link' },
        { dst: '10.20.0.0/16', dev: 'sally2', scope: 'link' },
      ],
    );
    const v6 = ip('-6', 'route', 'show', 'table', String(table));
    assert.deepEqual(v6.map(({ dst, dev }) => `${dst} ${dev}`).sort(), ['2001:db8:1::/48 sally2', 'default sally2']);
    // Adding what is there is no error: it is replaced.
    must(netlink.addRoute(routes[1]));
    for (const route of routes) must(netlink.deleteRoute(route));
    assert.deepEqual(must(netlink.routes(table)), []);
    assert.equal(ip('route', 'show', '192.0.2.0/24').length, 1);
  });

  test('rules of both families', () => {
    const before = must(netlink.rules());
    const rules: Rule[] = ([4, 6] as const).flatMap((family) => [
      { family, priority: 5209, table: 254, suppressPrefixLength: 0, destination: family === 4 ? '10.0.0.0/8' : 'fc00::/7' },
      { family, priority: 5210, table: 23057, invert: true, mark: 0x5a11 },
    ]);
    for (const rule of rules) must(netlink.addRule(rule));
    const local = { '-4': { dst: '10.0.0.0', dstlen: 8 }, '-6': { dst: 'fc00::', dstlen: 7 } };
    for (const family of ['-4', '-6'] as const) {
      const told = ip(family, 'rule').filter(({ priority }) => priority === 5209 || priority === 5210);
      assert.deepEqual(told, [
        { priority: 5209, src: 'all', ...local[family], table: 'main', suppress_prefixlen: 0 },
        { priority: 5210, not: null, src: 'all', fwmark: '0x5a11', table: '23057' },
      ]);
    }
    const own = must(netlink.rules()).filter(({ priority }) => priority === 5209 || priority === 5210);
    assert.deepEqual(own, rules);
    for (const rule of rules) must(netlink.deleteRule(rule));
    assert.deepEqual(must(netlink.rules()), before);
  });

  test('refusals carry the errno and what was asked', () => {
    using sally = device('sally3');
    must(netlink.addAddress(sally.index, { address: '10.9.8.7', prefix: 32 }));
    const again = netlink.addAddress(sally.index, { address: '10.9.8.7', prefix: 32 });
    assert(!again.ok);
    assert.equal(again.error.errno, 17);
    assert.match(again.error.detail, /^add address 10\.9\.8\.7\/32: EEXIST/);
    const down = netlink.addRoute({ family: 4, destination: '10.0.0.0/8', table: 23057, interface: sally.index });
    assert(!down.ok);
    // The words are the kernel's (NETLINK_EXT_ACK).
    assert.match(down.error.detail, /^add route 10\.0\.0\.0\/8: ENETDOWN \(.*not up\)$/);
    const missing = netlink.deleteRule({ family: 4, priority: 5210, table: 23057 });
    assert(!missing.ok && missing.error.errno === 2);
    const nonsense = netlink.addRoute({ family: 4, destination: '10.0.0.1/8', table: 23057, interface: sally.index });
    assert(!nonsense.ok && nonsense.error.errno === 22);
  });

  test('a dump longer than one answer is read to its end', () => {
    using sally = device('sally4');
    must(netlink.setLink(sally.index, { up: true }));
    for (let i = 0; i < 1024; i++) {
      must(netlink.addRoute({ family: 4, destination: `10.${i >> 8}.${i & 255}.0/24`, table: 23057, interface: sally.index }));
    }
    assert.equal(must(netlink.routes(23057)).length, 1024);
    assert.equal(ip('route', 'show', 'table', '23057').length, 1024);
  });

  test('octets that are no netlink messages are refused', () => {
    assert.equal(decodeMessages(Uint8Array.of(1, 2, 3)), undefined);
    assert.equal(decodeMessages(Uint8Array.of(15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)), undefined);
    assert.equal(decodeMessages(Uint8Array.of(17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)), undefined);
    assert.deepEqual(decodeMessages(new Uint8Array(0)), []);
  });

  test('a TUN device carries packets both ways, and says when it is gone', () => {
    using sally = device('sally5');
    // Else the device sends router solicitations and multicast reports of its own, whenever it likes.
    writeFileSync('/proc/sys/net/ipv6/conf/sally5/disable_ipv6', '1');
    run('ip', 'link', 'set', 'lo', 'up');
    must(netlink.setLink(sally.index, { up: true, mtu: 1400 }));
    must(netlink.addAddress(sally.index, { address: '10.9.8.7', prefix: 32 }));
    must(netlink.addRoute({ family: 4, destination: '10.20.0.0/16', table: 254, interface: sally.index }));
    const memory = plainMemory(64 * 2048);
    assert.equal(sally.tun.read(memory, 0, 2048), 0);
    const socket = must(openUdp({ family: 4, port: 0, address: '10.9.8.7' }));
    const udp = new LinuxUdp(socket.fd);
    const to = packSockaddr({ address: '10.20.0.1', port: 9 });
    const out = datagramBatch(5);
    fillDatagrams(
      memory,
      out,
      Array.from({ length: 5 }, (_, i) => ({ bytes: new Uint8Array(100 + i).fill(i + 1) })),
    );
    assert(to !== undefined && udp.send(memory, out, to) === 5);
    const pieces = { offset: new Uint32Array(3), length: new Uint32Array(3), count: 3 };
    for (let i = 0; i < 5; i++) {
      const at = 8000 + i * 2048;
      const length = sally.tun.read(memory, at, 2048);
      assert.equal(length, 28 + 100 + i);
      const packet = memory.bytes.subarray(at, at + length);
      assert.deepEqual([...packet.subarray(12, 20)], [10, 9, 8, 7, 10, 20, 0, 1]);
      assert.deepEqual(packet.slice(28), new Uint8Array(100 + i).fill(i + 1));
      // Turned round they are answers to us. Swapping addresses and ports leaves the checksums right.
      packet.copyWithin(12, 16, 20);
      packet.set([10, 9, 8, 7], 16);
      const ports = packet.slice(20, 24);
      packet.set([...ports.subarray(2), ...ports.subarray(0, 2)], 20);
      // In three pieces; a malformed one in between is nobody's to send again.
      pieces.offset.set([at, at + 20, at + 57]);
      pieces.length.set(i === 2 ? [1, 1, 1] : [20, 37, length - 57]);
      assert.equal(sally.tun.write(memory, pieces), true);
    }
    assert.equal(sally.tun.read(memory, 0, 2048), 0);
    const answers = datagramBatch(8, 32 * 2048, 2048);
    assert.equal(udp.receive(memory, answers), 4);
    assert.deepEqual([...answers.length.subarray(0, 4)], [100, 101, 103, 104]);
    assert.deepEqual(unpackSockaddr(answers.from), { address: '10.20.0.1', port: 9 });
    closeSync(socket.fd);
    must(netlink.deleteLink(sally.index));
    assert.equal(sally.tun.read(memory, 0, 2048), -1);
    assert.equal(sally.tun.write(memory, pieces), false);
  });

  test('openTun says what is wrong', () => {
    const none = openTun('sally9', { device: '/nonexistent/dev/net/tun' });
    assert(!none.ok && none.error.code === 'no-tun-device');
    using first = device('sally6');
    assert(first.index > 0);
    const second = openTun('sally6');
    assert(!second.ok && second.error.code === 'busy');
    const marked = openUdp({ family: 6, port: 0, mark: 0x5a11 });
    assert(marked.ok);
    closeSync(marked.value.fd);
  });
}
