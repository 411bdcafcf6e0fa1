/** News of the kernel's about addresses, routes and links, and the address that it would send from. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { localAddressTowards } from '../../core/helper/gatewayPath.ts';
import { watchNetwork } from '../../core/system/linux/networkWatch.ts';
import { Rtnetlink } from '../../core/system/linux/rtnetlink.ts';
import { isolated, run } from './isolated.ts';
import { until } from './monitorScene.ts';

if (isolated(import.meta.url)) {
  const opened = Rtnetlink.open();
  assert.ok(opened.ok);
  const kernel = opened.value;
  const settled = () => new Promise((resolve) => setTimeout(resolve, 250));

  run('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'far0');
  run('ip', 'link', 'add', 'sally0', 'type', 'veth', 'peer', 'name', 'far1');
  // An address that is looked for twice for a second or two (RFC 4862 §5.4) would be news at any time.
  for (const which of ['all', 'default', 'eth0', 'far0', 'sally0', 'far1'])
    run('sysctl', '-qw', `net.ipv6.conf.${which}.accept_dad=0`);
  for (const device of ['lo', 'eth0', 'far0', 'sally0', 'far1']) run('ip', 'link', 'set', device, 'up');

  test('addresses that come and go, not those of our own device; routes and links; in handfuls', async (t) => {
    await settled();
    const news: boolean[] = [];
    const own = kernel.link('sally0');
    assert.ok(own.ok);
    const watched = watchNetwork(
      ({ addresses }) => news.push(addresses),
      (device) => device === own.value?.index,
    );
    assert.ok(watched.ok);
    // It keeps the process alive, also when something below fails.
    t.after(() => watched.value.close());
    const take = async (): Promise<readonly boolean[]> => {
      await settled();
      return news.splice(0);
    };
    /** Where there must be some. */
    const takeSome = async (): Promise<readonly boolean[]> => {
      await until('news', () => news.length > 0 || undefined);
      return take();
    };
    assert.deepEqual(await take(), []);
    run('ip', 'address', 'add', '192.0.2.7/24', 'dev', 'eth0');
    assert.deepEqual(await takeSome(), [true], 'the address and its routes are one');
    run('ip', 'route', 'add', 'default', 'via', '192.0.2.1');
    assert.deepEqual(await takeSome(), [false]);
    run('ip', 'address', 'change', '192.0.2.7/24', 'dev', 'eth0', 'valid_lft', '1000', 'preferred_lft', '1000');
    assert.ok(!(await take()).includes(true), 'renewed');
    run('ip', 'address', 'add', '10.9.9.9/24', 'dev', 'sally0');
    assert.ok(!(await take()).includes(true), 'our own');
    run('ip', 'address', 'add', '2001:db8::7/64', 'dev', 'eth0', 'nodad');
    await until('the address', () => news.includes(true) || undefined);
    await take();
    run('ip', 'link', 'set', 'eth0', 'down');
    await takeSome();
    watched.value.close();
    run('ip', 'link', 'set', 'eth0', 'up');
    assert.deepEqual(await take(), []);
  });

  test('the address that the kernel would send from is one past our own routes: by the mark', () => {
    run('ip', 'address', 'flush', 'dev', 'eth0');
    run('ip', 'address', 'add', '192.0.2.7/24', 'dev', 'eth0');
    run('ip', 'address', 'add', '2001:db8::7/64', 'dev', 'eth0', 'nodad');
    run('ip', 'route', 'replace', 'default', 'via', '192.0.2.1');
    run('ip', '-6', 'route', 'replace', 'default', 'via', '2001:db8::1');
    run('ip', 'route', 'add', 'default', 'dev', 'sally0', 'table', '23057');
    run('ip', 'rule', 'add', 'not', 'fwmark', '0x5a11', 'lookup', '23057', 'pref', '5210');
    assert.equal(kernel.sourceTowards('198.51.100.10', 0x5a11), '192.0.2.7');
    assert.equal(kernel.sourceTowards('198.51.100.10', 0), '10.9.9.9');
    assert.equal(kernel.sourceTowards('2001:db8:f::10', 0x5a11), '2001:db8::7');
    // The cable is out: routes and addresses are all still there.
    run('ip', 'link', 'set', 'far0', 'down');
    assert.equal(kernel.sourceTowards('198.51.100.10', 0x5a11), undefined);
    assert.equal(kernel.sourceTowards('2001:db8:f::10', 0x5a11), undefined);
    run('ip', 'link', 'set', 'far0', 'up');
    assert.equal(kernel.sourceTowards('198.51.100.10', 0x5a11), '192.0.2.7');
    run('ip', 'route', 'del', 'default', 'via', '192.0.2.1');
    assert.equal(kernel.sourceTowards('198.51.100.10', 0x5a11), undefined);
    assert.equal(kernel.sourceTowards('vpn.office.test', 0x5a11), undefined);
  });

  test('a router of IPv6 and no address but the link-local one is no way', async () => {
    run('ip', '-6', 'address', 'flush', 'dev', 'eth0', 'scope', 'global');
    run('ip', 'link', 'set', 'eth0', 'down');
    run('sysctl', '-qw', 'net.ipv6.conf.eth0.accept_dad=1');
    run('ip', 'link', 'set', 'eth0', 'up');
    const gateway = '2001:db8:f::10';
    await until(
      'a link-local address',
      () => run('ip', '-6', 'address', 'show', 'dev', 'eth0', '-tentative').includes('fe80') || undefined,
    );
    run('ip', '-6', 'route', 'replace', 'default', 'via', 'fe80::1', 'dev', 'eth0');
    assert.match(run('ip', '-6', 'route', 'get', gateway, 'mark', '0x5a11'), /src fe80/, 'the kernel would send from there');
    assert.equal(kernel.sourceTowards(gateway, 0x5a11), undefined);
    const towards = await localAddressTowards({ address: gateway, family: 6 }, 500);
    assert.equal(!towards.ok && towards.error.code, 'no-route');
    // Tentative for a second or two (RFC 4862 §5.4).
    run('ip', 'address', 'add', '2001:db8::7/64', 'dev', 'eth0');
    assert.equal(kernel.sourceTowards(gateway, 0x5a11), undefined);
    assert.equal(await until('the address', () => kernel.sourceTowards(gateway, 0x5a11)), '2001:db8::7');
    // What is on the link itself is reached from it.
    assert.match(kernel.sourceTowards('fe80::1', 0x5a11) ?? '', /^fe80/);
  });
}
