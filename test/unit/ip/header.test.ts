import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex } from '../../../core/bytes/bytes.ts';
import { InnerHeader, opaque } from '../../../core/ip/header.ts';

function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  assert.ok(bytes);
  return bytes;
}

/** Read in the middle of a buffer, so that wrong offsets show. */
function read(packet: Uint8Array): { readonly fault: string | undefined; readonly header: InnerHeader } {
  const header = new InnerHeader();
  const buffer = new Uint8Array(packet.length + 14).fill(0xee);
  buffer.set(packet, 7);
  return { fault: header.read(buffer, 7, packet.length), header };
}

const ipv4 = hex('45000020 00000000 40110000 c0a80102 08080404 03e8 0035 000c0000 01020304');
/** `next` is the first next-header value, `rest` everything behind the fixed header. */
function ipv6(next: number, rest: Uint8Array): Uint8Array {
  const packet = new Uint8Array(40 + rest.length);
  packet.set(hex('60000000 0000 00 40 20010db8000000000000000000000001 20010db8000000000000000000000002'));
  packet[4] = rest.length >> 8;
  packet[5] = rest.length;
  packet[6] = next;
  packet.set(rest, 40);
  return packet;
}

test('IPv4: addresses, protocol, ports, total length', () => {
  const { fault, header } = read(ipv4);
  assert.equal(fault, undefined);
  assert.equal(header.version, 4);
  assert.equal(header.totalLength, 32);
  assert.deepEqual([header.protocol, header.sourcePort, header.destinationPort], [17, 1000, 53]);
  assert.deepEqual([header.source[0], header.destination[0]], [0xc0a80102, 0x08080404]);
});

test('IPv4: ports lie behind the options', () => {
  const packet = hex('46000020 00000000 40060000 c0a80102 08080404 01010101 0050 01bb 00000000');
  const { fault, header } = read(packet);
  assert.equal(fault, undefined);
  assert.deepEqual([header.protocol, header.sourcePort, header.destinationPort], [6, 80, 443]);
});

test('IPv4: octets behind the total length do not count', () => {
  const { fault, header } = read(Uint8Array.of(...ipv4, 0, 0, 0, 0));
  assert.equal(fault, undefined);
  assert.equal(header.totalLength, 32);
});

test('IPv4: only the first fragment shows ports', () => {
  const first = ipv4.slice();
  first[6] = 0x20; // more fragments
  assert.equal(read(first).header.sourcePort, 1000);
  const later = ipv4.slice();
  later[7] = 1; // offset 8
  assert.deepEqual([read(later).header.protocol, read(later).header.sourcePort], [17, opaque]);
  later[6] = 0x1f;
  assert.equal(read(later).header.destinationPort, opaque);
});

test('ports that are not there are opaque, not read from behind the packet', () => {
  for (const length of [20, 21, 22, 23]) {
    const packet = ipv4.slice();
    packet[3] = length;
    const { fault, header } = read(packet);
    assert.equal(fault, undefined);
    assert.equal(header.sourcePort, opaque, `${length}`);
  }
});

test('ICMP type and code are one number (RFC 7296 §3.13.1); other protocols have no ports', () => {
  const echo = ipv4.slice();
  echo[9] = 1;
  echo.set([8, 3], 20);
  assert.deepEqual([read(echo).header.sourcePort, read(echo).header.destinationPort], [0x0803, 0x0803]);
  for (const protocol of [0, 2, 47, 50, 51, 89, 255]) {
    const packet = ipv4.slice();
    packet[9] = protocol;
    assert.deepEqual([read(packet).header.protocol, read(packet).header.sourcePort], [protocol, opaque]);
  }
});

test('IPv4: every broken length is a fault', () => {
  const at = (index: number, value: number): Uint8Array => {
    const packet = ipv4.slice();
    packet[index] = value;
    return packet;
  };
  assert.equal(read(at(0, 0x44)).fault, 'header');
  assert.equal(read(at(0, 0x40)).fault, 'header');
  assert.equal(read(at(3, 19)).fault, 'header');
  assert.equal(read(at(3, 33)).fault, 'short');
  assert.equal(read(at(2, 0xff)).fault, 'short');
  assert.equal(read(at(0, 0x4f)).fault, 'header'); // 60 octets of header in 32
  for (let length = 0; length < 20; length++) assert.equal(read(ipv4.slice(0, length)).fault, 'short');
});

test('neither version 4 nor 6', () => {
  for (const version of [0, 1, 2, 3, 5, 7, 8, 15])
    assert.equal(read(Uint8Array.of(version << 4, ...ipv4.slice(1))).fault, 'version');
});

test('IPv6: addresses and ports', () => {
  const { fault, header } = read(ipv6(6, hex('0050 01bb 00000000')));
  assert.equal(fault, undefined);
  assert.deepEqual([header.version, header.totalLength, header.protocol], [6, 48, 6]);
  assert.deepEqual([header.sourcePort, header.destinationPort], [80, 443]);
  assert.deepEqual([...header.source], [0x20010db8, 0, 0, 1]);
  assert.deepEqual([...header.destination], [0x20010db8, 0, 0, 2]);
});

test('IPv6: extension headers are walked: hop-by-hop, routing, destination options, authentication', () => {
  const udp = '03e8 0035 0008 0000';
  const chain = hex(
    `2b00 010400000000 3c00 000000000000 3301 0104 00000000 00000000 00000000 1101 0000 00000000 00000000 ${udp}`,
  );
  // hop-by-hop (8) → routing (8) → destination options (16) → authentication (12) → UDP
  const { fault, header } = read(ipv6(0, chain));
  assert.equal(fault, undefined);
  assert.deepEqual([header.protocol, header.sourcePort, header.destinationPort], [17, 1000, 53]);
});

test('IPv6: the first fragment shows ports, later ones the protocol where the fragment header names it', () => {
  const fragment = (offsetAndFlags: string, next = '11'): Uint8Array =>
    hex(`${next}00 ${offsetAndFlags} 12345678 03e8 0035 0008 0000`);
  assert.equal(read(ipv6(44, fragment('0001'))).header.sourcePort, 1000);
  const later = read(ipv6(44, fragment('0008'))).header;
  assert.deepEqual([later.protocol, later.sourcePort], [17, opaque]);
  const hidden = read(ipv6(44, fragment('0008', '3c'))).header;
  assert.deepEqual([hidden.protocol, hidden.sourcePort], [opaque, opaque]);
});

test('IPv6: chains that are cut off, run past the end or have no end are faults', () => {
  assert.equal(read(ipv6(0, new Uint8Array(0))).fault, 'header');
  assert.equal(read(ipv6(0, hex('1100 0000'))).fault, 'header');
  assert.equal(read(ipv6(0, hex('11ff 000000000000 03e8 0035 0008 0000'))).fault, 'header');
  // Eight extension headers are walked, nine are too many, whatever comes behind them.
  const chainOf = (count: number): Uint8Array => {
    const chain = new Uint8Array(8 * count + 8); // destination options that name each other
    for (let i = 0; i < count; i++) chain[8 * i] = i === count - 1 ? 17 : 60;
    return chain;
  };
  assert.equal(read(ipv6(60, chainOf(8))).header.protocol, 17);
  assert.equal(read(ipv6(60, chainOf(8))).fault, undefined);
  assert.equal(read(ipv6(60, chainOf(9))).fault, 'header');
});

test('IPv6: total length against the octets that are there', () => {
  const packet = ipv6(59, new Uint8Array(8));
  assert.equal(read(packet).header.protocol, 59);
  for (let length = 1; length < packet.length; length++) assert.equal(read(packet.slice(0, length)).fault, 'short');
  const jumbo = packet.slice();
  jumbo[5] = 0; // payload length 0: an empty packet here, the rest is padding
  assert.deepEqual([read(jumbo).fault, read(jumbo).header.totalLength], [undefined, 40]);
});

test('a header object is as new for each packet', () => {
  const header = new InnerHeader();
  header.read(ipv4, 0, ipv4.length);
  const gre = ipv4.slice();
  gre[9] = 47;
  header.read(gre, 0, gre.length);
  assert.deepEqual([header.sourcePort, header.destinationPort], [opaque, opaque]);
});
