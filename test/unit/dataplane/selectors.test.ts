import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../../../core/bytes/address.ts';
import { SelectorSet } from '../../../core/dataplane/selectors.ts';
import { InnerHeader } from '../../../core/ip/header.ts';
import { inner, selector } from './fixtures.ts';

function header(packet: Uint8Array): InnerHeader {
  const out = new InnerHeader();
  assert.equal(out.read(packet, 0, packet.length), undefined);
  return out;
}

const udp = header(inner('10.0.0.5', '10.1.2.3', { sourcePort: 1000, destinationPort: 53 }));

test('addresses: both ends of a range belong to it', () => {
  const start = parseAddress('10.1.2.3');
  const end = parseAddress('10.1.2.9');
  assert.ok(start && end);
  const set = new SelectorSet([{ ...selector('0.0.0.0/0'), start, end }]);
  for (const [address, inside] of [
    ['10.1.2.2', false],
    ['10.1.2.3', true],
    ['10.1.2.6', true],
    ['10.1.2.9', true],
    ['10.1.2.10', false],
    ['9.255.255.255', false],
    ['200.0.0.1', false],
  ] as const) {
    assert.equal(set.covers(header(inner('10.0.0.5', address)), 'destination'), inside, address);
    assert.equal(set.covers(header(inner(address, '10.0.0.5')), 'source'), inside, address);
  }
});

test('IPv6 addresses are compared as one number', () => {
  const start = parseAddress('2001:db8::ffff:0:0:5');
  const end = parseAddress('2001:db8:0:1::');
  assert.ok(start && end);
  const set = new SelectorSet([{ ...selector('::/0'), start, end }]);
  for (const [address, inside] of [
    ['2001:db8::ffff:0:0:4', false],
    ['2001:db8::ffff:0:0:5', true],
    ['2001:db8::ffff:1:0:0', true],
    ['2001:db8:0:1::', true],
    ['2001:db8:0:1::1', false],
    ['ffff::', false],
  ] as const) {
    assert.equal(set.covers(header(inner('fd00::1', address)), 'destination'), inside, address);
  }
});

test('families do not mix, and 0.0.0.0/0 is not ::/0', () => {
  assert.equal(new SelectorSet([selector('::/0')]).covers(udp, 'source'), false);
  assert.equal(new SelectorSet([selector('0.0.0.0/0')]).covers(header(inner('fd00::1', 'fd01::1')), 'source'), false);
  assert.equal(new SelectorSet([selector('::/0'), selector('0.0.0.0/0')]).covers(udp, 'source'), true);
});

test('protocol and ports, each end by its own', () => {
  const any = '0.0.0.0/0';
  const covers = (end: 'source' | 'destination', protocol: number, startPort = 0, endPort = 65535): boolean =>
    new SelectorSet([selector(any, protocol, startPort, endPort)]).covers(udp, end);
  assert.equal(covers('source', 17), true);
  assert.equal(covers('source', 6), false);
  assert.equal(covers('destination', 17, 53, 53), true);
  assert.equal(covers('source', 17, 53, 53), false);
  assert.equal(covers('source', 17, 1000, 1001), true);
  assert.equal(covers('source', 17, 999, 1000), true);
  assert.equal(covers('source', 17, 1001, 2000), false);
  assert.equal(covers('destination', 0, 53, 53), true);
});

test('fragments without ports match all ports and OPAQUE, nothing else (RFC 7296 §3.13.1)', () => {
  const packet = inner('10.0.0.5', '10.1.2.3');
  packet[7] = 1;
  const fragment = header(packet);
  const covers = (startPort: number, endPort: number, of = fragment): boolean =>
    new SelectorSet([selector('0.0.0.0/0', 17, startPort, endPort)]).covers(of, 'destination');
  assert.equal(covers(0, 65535), true);
  assert.equal(covers(65535, 0), true);
  assert.equal(covers(53, 53), false);
  assert.equal(covers(0, 65534), false);
  assert.equal(covers(65535, 0, udp), false);
});

test('ICMP type and code', () => {
  const echo = inner('10.0.0.5', '10.1.2.3', { protocol: 1, sourcePort: 0x0800 });
  const set = new SelectorSet([selector('0.0.0.0/0', 1, 0x0800, 0x08ff)]);
  assert.equal(set.covers(header(echo), 'source'), true);
  echo[20] = 0;
  assert.equal(set.covers(header(echo), 'destination'), false);
});

test('no selector covers nothing; one with an address of the wrong length neither', () => {
  assert.equal(new SelectorSet([]).covers(udp, 'source'), false);
  assert.equal(new SelectorSet([{ ...selector('0.0.0.0/0'), end: new Uint8Array(16).fill(255) }]).covers(udp, 'source'), false);
});
