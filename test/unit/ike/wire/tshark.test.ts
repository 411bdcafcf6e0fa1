/**
 * tshark reads our encoder's messages: an independent dissector finds nothing malformed and the values we meant.
 * Payloads stand unprotected in the chain, so that it sees into them. Debian package: tshark.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromUtf8 } from '../../../../core/bytes/bytes.ts';
import { Writer } from '../../../../core/bytes/writer.ts';
import { EXCHANGE, NOTIFY } from '../../../../core/ike/wire/constants.ts';
import { encodeMessage } from '../../../../core/ike/wire/encode.ts';
import type { Header, Payload } from '../../../../core/ike/wire/message.ts';
import { deleteChildSas, deleteIkeSa, notify, notifyAbout } from '../../../../core/ike/wire/payloads.ts';
import { payload } from './arbitrary.ts';
import { fill, hex } from './raw.ts';

const missing = spawnSync('tshark', ['--version']).status === 0 ? false : 'tshark is not installed';

const header: Header = {
  spiI: hex('c0c1c2c3c4c5c6c7'),
  spiR: hex('d0d1d2d3d4d5d6d7'),
  majorVersion: 2,
  minorVersion: 0,
  exchange: EXCHANGE.IKE_AUTH,
  messageId: 7,
  flags: { initiator: true, version: false, response: false },
};

const everything: readonly Payload[] = [
  {
    kind: 'SA',
    proposals: [
      {
        number: 1,
        protocol: 1,
        spi: hex(fill(8)),
        transforms: [
          { type: 1, id: 20, keyLength: 256 },
          { type: 2, id: 5 },
          { type: 4, id: 31 },
        ],
      },
      {
        number: 2,
        protocol: 3,
        spi: hex('01020304'),
        transforms: [
          { type: 1, id: 12, keyLength: 128 },
          { type: 3, id: 12 },
          { type: 5, id: 1 },
        ],
      },
    ],
  },
  { kind: 'KE', method: 31, data: hex(fill(32)) },
  { kind: 'NONCE', data: hex(fill(32)) },
  { kind: 'IDi', idType: 3, data: fromUtf8('alice@office.test') },
  { kind: 'IDr', idType: 1, data: hex('c0000201') },
  { kind: 'CERTREQ', encoding: 4, data: hex(fill(20)) },
  { kind: 'AUTH', method: 2, data: hex(fill(32)) },
  notify(NOTIFY.COOKIE, hex(fill(8))),
  notifyAbout(3, hex('0a0b0c0d'), NOTIFY.REKEY_SA),
  deleteIkeSa(),
  deleteChildSas(3, [hex('01020304'), hex('05060708')]),
  { kind: 'V', data: hex(fill(16)) },
  {
    kind: 'TSi',
    selectors: [{ type: 'ipv4', protocol: 6, startPort: 80, endPort: 443, start: hex('0a010000'), end: hex('0a01ffff') }],
    unknownTypes: 0,
  },
  {
    kind: 'TSr',
    selectors: [
      {
        type: 'ipv6',
        protocol: 0,
        startPort: 0,
        endPort: 65535,
        start: hex(`20010db8${fill(12, '00')}`),
        end: hex(`20010db8${fill(12, 'ff')}`),
      },
    ],
    unknownTypes: 0,
  },
  {
    kind: 'CP',
    cfgType: 2,
    attributes: [
      { type: 1, value: hex('0a090001') },
      { type: 3, value: hex('0a010035') },
      { type: 7, value: fromUtf8('Sallyport') },
      { type: 8, value: hex(`20010db8${fill(12, '01')}40`) },
    ],
  },
  { kind: 'EAP', message: hex('03070004') },
];

test('tshark reads every field of every payload as we meant it', { skip: missing }, () => {
  const expected: Record<string, string> = {
    'isakmp.ispi': 'c0c1c2c3c4c5c6c7',
    'isakmp.rspi': 'd0d1d2d3d4d5d6d7',
    'isakmp.messageid': '0x00000007',
    'isakmp.exchangetype': '35',
    // Inside SA: 2 is a proposal, 3 a transform.
    'isakmp.typepayload': '33,2,3,3,3,2,3,3,3,34,40,35,36,38,39,41,41,42,42,43,44,45,47,48',
    'isakmp.prop.number': '1,2',
    'isakmp.prop.protoid': '1,3',
    'isakmp.spi': 'aaaaaaaaaaaaaaaa,01020304,0a0b0c0d',
    'isakmp.delete.spi': '01020304,05060708',
    'isakmp.tf.type': '1,2,4,1,3,5',
    'isakmp.tf.id.encr': '20,12',
    'isakmp.ike2.attr.key_length': '256,128',
    'isakmp.tf.id.prf': '5',
    'isakmp.tf.id.integ': '12',
    'isakmp.tf.id.dh': '31',
    'isakmp.tf.id.esn': '1',
    'isakmp.key_exchange.dh_group': '31',
    'isakmp.id.data.user_fqdn': 'alice@office.test',
    'isakmp.id.data.ipv4_addr': '192.0.2.1',
    'isakmp.notify.msgtype': '16390,16393',
    'isakmp.auth.method': '2',
    'isakmp.ts.protoid': '6,0',
    'isakmp.ts.start_port': '80,0',
    'isakmp.ts.end_port': '443,65535',
    'isakmp.ts.start_ipv4': '10.1.0.0',
    'isakmp.ts.end_ipv4': '10.1.255.255',
    'isakmp.ts.start_ipv6': '2001:db8::',
    'isakmp.cfg.attr.internal_ip4_address': '10.9.0.1',
    'isakmp.cfg.attr.internal_ip4_dns': '10.1.0.53',
    'isakmp.cfg.attr.application_version': 'Sallyport',
    'isakmp.cfg.attr.internal_ip6_address.prefix': '64',
    'eap.code': '3',
    '_ws.malformed': '',
  };
  assert.deepEqual(dissect([encodeMessage(header, everything)], Object.keys(expected)), [expected]);
});

test('tshark finds nothing malformed in 300 messages of arbitrary payloads', { skip: missing }, () => {
  const chains = fc.sample(fc.array(payload.filter(isOpaque), { maxLength: 8 }), { seed: 7296, numRuns: 300 });
  const packets = dissect(
    chains.map((chain) => encodeMessage(header, chain)),
    ['_ws.malformed', 'isakmp.length'],
  );
  assert.equal(packets.length, 300);
  assert.deepEqual(
    packets.filter((one) => one['_ws.malformed'] !== ''),
    [],
  );
  assert.ok(packets.every((one) => one['isakmp.length'] !== ''));
});

/**
 * tshark also looks into what the payloads carry: certificates as DER, addresses in attributes, payload types of IKEv1.
 * Arbitrary octets are malformed there, and rightly so.
 */
function isOpaque(one: Payload): boolean {
  if (one.kind === 'CERT' || one.kind === 'CERTREQ') return false;
  if (one.kind === 'IDi' || one.kind === 'IDr') return [1, 2, 3, 5, 11].includes(one.idType) && one.data.length > 0;
  if (one.kind === 'CP') return one.attributes.every(({ type }) => type >= 0x4000);
  return one.kind !== 'unknown' || one.type >= 128;
}

/** What tshark says of the fields, packet by packet; several values are separated by commas. */
function dissect(messages: readonly Uint8Array[], fields: readonly string[]): Record<string, string>[] {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-wire-'));
  try {
    const file = join(folder, 'ours.pcap');
    writeFileSync(file, pcap(messages));
    const names = fields.flatMap((field) => ['-e', field]);
    const { status, stdout, stderr } = spawnSync('tshark', ['-n', '-r', file, '-T', 'fields', ...names], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    const lines = stdout.split('\n').slice(0, -1);
    return lines.map((line) => Object.fromEntries(line.split('\t').map((value, i) => [fields[i], value])));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A classic pcap file of IPv4 datagrams from 192.0.2.1 to 192.0.2.2, port 500 (link type 101: raw IP). */
function pcap(messages: readonly Uint8Array[]): Uint8Array {
  const out = new Writer().u32(0xa1b2c3d4).u16(2).u16(4).u32(0).u32(0).u32(0x40000).u32(101);
  for (const message of messages) {
    const packet = concat(
      new Writer()
        .u8(0x45)
        .u8(0)
        .u16(28 + message.length)
        .u32(0)
        .u8(64)
        .u8(17)
        .u16(0)
        .bytes(hex('c0000201 c0000202'))
        .finish(),
      new Writer()
        .u16(500)
        .u16(500)
        .u16(8 + message.length)
        .u16(0)
        .finish(),
      message,
    );
    out.u32(0).u32(0).u32(packet.length).u32(packet.length).bytes(packet);
  }
  return out.finish();
}
