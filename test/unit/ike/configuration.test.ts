import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromUtf8 } from '../../../core/bytes/bytes.ts';
import { configurationRequest, readConfiguration } from '../../../core/ike/exchanges/configuration.ts';
import { CP_ATTRIBUTE as A, CP_TYPE } from '../../../core/ike/wire/constants.ts';
import type { ConfigAttribute } from '../../../core/ike/wire/message.ts';

const both = { ipv4: true, ipv6: true, dns: true, version: 'test' };
const gateway = '198.51.100.1';

function read(attributes: readonly ConfigAttribute[], wanted = both, cfgType: number = CP_TYPE.REPLY) {
  return readConfiguration({ kind: 'CP', cfgType, attributes }, wanted, gateway);
}

const v4 = (...octets: readonly number[]) => ({ type: A.INTERNAL_IP4_ADDRESS, value: Uint8Array.from(octets) });
const v6 = (prefix: number, ...tail: readonly number[]) => {
  const value = new Uint8Array(17);
  value.set([0xfd, 0x10]);
  value.set(tail, 16 - tail.length);
  value[16] = prefix;
  return { type: A.INTERNAL_IP6_ADDRESS, value };
};
const good = v4(10, 7, 0, 5);

function configurationOf(attributes: readonly ConfigAttribute[]) {
  const result = read(attributes);
  assert.ok(result.ok, JSON.stringify(result));
  return result.value;
}

test('the request asks for what is wanted, with empty values', () => {
  const types = (ipv4: boolean, ipv6: boolean, dns: boolean) =>
    configurationRequest({ ipv4, ipv6, dns, version: 'x' })?.attributes.map(({ type, value }) => {
      assert.equal(value.length, 0);
      return type;
    });
  assert.deepEqual(types(true, false, false), [1, 2, 13, 7]);
  assert.deepEqual(types(false, true, false), [8, 7]);
  assert.deepEqual(types(true, true, true), [1, 2, 3, 13, 8, 10, 25, 7]);
  assert.equal(types(false, false, false), undefined);
});

test('addresses that we had are asked for by name, each family its own; the rest of the request is as ever', () => {
  const request = configurationRequest({ ...both, addresses: ['10.10.99.7', 'fd10:99::7'] });
  const asked = request?.attributes.filter(({ value }) => value.length > 0);
  const six = Uint8Array.of(0xfd, 0x10, 0, 0x99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 128);
  assert.deepEqual(asked, [
    { type: A.INTERNAL_IP4_ADDRESS, value: Uint8Array.of(10, 10, 99, 7) },
    { type: A.INTERNAL_IP6_ADDRESS, value: six },
  ]);
  assert.equal(request?.attributes.length, configurationRequest(both)?.attributes.length);
  const one = configurationRequest({ ...both, ipv6: false, addresses: ['fd10:99::7'] });
  assert.ok(one?.attributes.every(({ value }) => value.length === 0));
});

test('everything at once', () => {
  const { configuration, notes } = configurationOf([
    good,
    { type: A.INTERNAL_IP4_NETMASK, value: Uint8Array.of(255, 255, 255, 0) },
    v6(64, 9),
    { type: A.INTERNAL_IP4_DNS, value: Uint8Array.of(10, 7, 0, 1) },
    { type: A.INTERNAL_IP6_DNS, value: v6(0, 1).value.slice(0, 16) },
    { type: A.INTERNAL_IP4_SUBNET, value: Uint8Array.of(10, 9, 8, 7, 255, 255, 0, 0) },
    { type: A.INTERNAL_IP6_SUBNET, value: v6(16).value },
    { type: A.INTERNAL_DNS_DOMAIN, value: fromUtf8('Office.Test.') },
    { type: A.APPLICATION_VERSION, value: fromUtf8('gate\u0007way 1') },
    { type: 20_000, value: Uint8Array.of(1) },
  ]);
  assert.deepEqual(configuration, {
    addresses: [
      { address: '10.7.0.5', prefix: 24 },
      { address: 'fd10::9', prefix: 64 },
    ],
    dns: ['10.7.0.1', 'fd10::1'],
    domains: ['office.test'],
    subnets: ['10.9.0.0/16', 'fd10::/16'],
    applicationVersion: 'gate?way 1',
  });
  assert.deepEqual(notes, []);
});

test('attributes of a wrong length are left out with a note', () => {
  const bad: readonly ConfigAttribute[] = [
    v4(1, 2, 3),
    v4(1, 2, 3, 4, 5),
    { type: A.INTERNAL_IP6_ADDRESS, value: new Uint8Array(16).fill(0xfd) },
    v6(129, 1),
    { type: A.INTERNAL_IP4_NETMASK, value: Uint8Array.of(255, 0, 255, 0) },
    { type: A.INTERNAL_IP4_NETMASK, value: new Uint8Array(4) },
    { type: A.INTERNAL_IP4_DNS, value: Uint8Array.of(1) },
    { type: A.INTERNAL_IP6_DNS, value: new Uint8Array(17) },
    { type: A.INTERNAL_IP4_SUBNET, value: Uint8Array.of(10, 0, 0, 0) },
    { type: A.INTERNAL_IP4_SUBNET, value: Uint8Array.of(10, 0, 0, 0, 255, 0, 255, 0) },
    { type: A.INTERNAL_IP6_SUBNET, value: new Uint8Array(16) },
    { type: A.INTERNAL_DNS_DOMAIN, value: fromUtf8('a b') },
    { type: A.INTERNAL_DNS_DOMAIN, value: fromUtf8(`${'a'.repeat(64)}.test`) },
  ];
  for (const attribute of bad) {
    const { configuration, notes } = configurationOf([good, attribute]);
    assert.deepEqual(configuration, { addresses: [{ address: '10.7.0.5', prefix: 32 }], dns: [], domains: [], subnets: [] });
    assert.equal(notes.length, 1, JSON.stringify(attribute));
  }
});

test('empty attributes say nothing', () => {
  const { configuration, notes } = configurationOf([
    good,
    ...[1, 2, 3, 8, 10, 13, 15, 25, 7].map((type) => ({ type, value: new Uint8Array(0) })),
  ]);
  assert.equal(configuration.addresses.length, 1);
  assert.deepEqual(notes, []);
});

test('addresses no client can have are refused', () => {
  const wrong: readonly (readonly [ConfigAttribute, RegExp])[] = [
    [v4(127, 9, 9, 9), /127\.9\.9\.9 is a loopback/],
    [v4(0, 0, 0, 0), /unspecified/],
    [v4(0, 1, 2, 3), /0\.0\.0\.0\/8/],
    [v4(239, 1, 2, 3), /multicast/],
    [v4(240, 0, 0, 1), /reserved/],
    [v4(198, 51, 100, 1), /gateway's own/],
    [{ type: A.INTERNAL_IP6_ADDRESS, value: new Uint8Array(17) }, /unspecified/],
    [{ type: A.INTERNAL_IP6_ADDRESS, value: Uint8Array.of(...new Uint8Array(15), 1, 128) }, /::1 is a loopback/],
    [{ type: A.INTERNAL_IP6_ADDRESS, value: Uint8Array.of(0xff, 2, ...new Uint8Array(14), 128) }, /multicast/],
    [{ type: A.INTERNAL_IP6_ADDRESS, value: Uint8Array.of(...new Uint8Array(10), 255, 255, 10, 0, 0, 1, 128) }, /IPv4/],
  ];
  for (const [attribute, text] of wrong) {
    const result = read([attribute, good]);
    assert.ok(!result.ok, String(text));
    assert.match(result.error, text);
  }
});

test('a link-local address is left out and told, and the next of its family is taken', () => {
  const local = { type: A.INTERNAL_IP6_ADDRESS, value: Uint8Array.of(0xfe, 0xbf, ...new Uint8Array(13), 1, 64) };
  const dns = { type: A.INTERNAL_IP6_DNS, value: Uint8Array.of(0xfe, 0x80, ...new Uint8Array(13), 1) };
  const { configuration, notes } = configurationOf([local, v6(0, 1), dns]);
  assert.deepEqual(configuration.addresses, [{ address: 'fd10::1', prefix: 128 }]);
  assert.deepEqual(configuration.dns, []);
  assert.deepEqual(notes, ['address febf::1 is a link-local address', 'DNS server fe80::1 is a link-local address']);
  assert.deepEqual(read([local]), { ok: false, error: 'no address in CFG_REPLY' });
});

test('an address of each family at most, and none that was not asked for (RFC 7296 §3.15.1)', () => {
  const { configuration, notes } = configurationOf([good, v4(10, 7, 0, 6)]);
  assert.equal(configuration.addresses.length, 1);
  assert.match(notes[0], /10\.7\.0\.6 was not asked for/);
  const only4 = read([v6(64, 1), good], { ...both, ipv6: false });
  assert.ok(only4.ok && only4.value.configuration.addresses.length === 1);
});

test('no address where one was wanted is a failure, where none was wanted it is not', () => {
  assert.deepEqual(read([]), { ok: false, error: 'no address in CFG_REPLY' });
  assert.deepEqual(readConfiguration(undefined, both, gateway), { ok: false, error: 'no CFG_REPLY' });
  assert.equal(read([good], both, CP_TYPE.SET).ok, false);
  assert.equal(readConfiguration(undefined, { ...both, ipv4: false, ipv6: false }, gateway).ok, true);
});

test('counts are bounded and repetitions are one', () => {
  const many = (type: number, value: (i: number) => Uint8Array) =>
    Array.from({ length: 1_000 }, (_, i) => ({ type, value: value(i) }));
  const { configuration, notes } = configurationOf([
    good,
    ...many(A.INTERNAL_IP4_DNS, (i) => Uint8Array.of(10, 1, i >>> 8, i | 1)),
    ...many(A.INTERNAL_IP4_SUBNET, (i) => Uint8Array.of(10, i >>> 8, i, 0, 255, 255, 255, 0)),
    ...many(A.INTERNAL_DNS_DOMAIN, (i) => fromUtf8(`d${i}.test`)),
  ]);
  assert.deepEqual([configuration.dns.length, configuration.subnets.length, configuration.domains.length], [8, 256, 32]);
  assert.equal(notes.length, 3);
  assert.equal(
    configurationOf([good, ...many(A.INTERNAL_IP4_DNS, () => Uint8Array.of(10, 0, 0, 53))]).configuration.dns.length,
    1,
  );
});

test('resolvers that cannot be one are left out', () => {
  const { configuration, notes } = configurationOf([good, { type: A.INTERNAL_IP4_DNS, value: Uint8Array.of(127, 0, 0, 1) }]);
  assert.deepEqual(configuration.dns, []);
  assert.match(notes[0], /DNS server 127\.0\.0\.1 is a loopback/);
});
