/** Wireshark itself reads the key log: tshark opens a recorded IKE SA with our lines. Debian package: tshark. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { concat, fromHex } from '../../../core/bytes/bytes.ts';
import { Writer } from '../../../core/bytes/writer.ts';
import { transforms } from '../../../core/crypto/transforms.ts';
import type { EncrTransform, IntegTransform } from '../../../core/crypto/types.ts';
import type { IkeKeys } from '../../../core/ike/keys/ikeKeys.ts';
import { espKeyLogLines, ikeKeyLogLine } from '../../../core/ike/keys/keyLog.ts';
import { ikeSuite } from '../../../core/ike/negotiation.ts';
import { parseProposals } from '../../../core/ike/proposals.ts';
import type { ChildSa } from '../../../core/ike/sa/contract.ts';
import { parseMessage } from '../../../core/ike/wire/parse.ts';
import { type RecordedExchange, recordedExchanges } from './recorded.ts';

const missing = spawnSync('tshark', ['--version']).status === 0 ? false : 'tshark is not installed';

function bytesOf(hex: string): Uint8Array {
  const bytes = fromHex(hex);
  assert.ok(bytes);
  return bytes;
}

function suiteOf(text: string) {
  const parsed = parseProposals([text], 'ike');
  assert.ok(parsed.ok);
  const suite = ikeSuite(parsed.value[0]);
  assert.ok(suite);
  return suite;
}

function lineOf(recorded: RecordedExchange): string {
  const parsed = parseMessage(bytesOf(recorded.messages[1]));
  assert.ok(parsed.ok);
  const { d, ai, ar, ei, er, pi, pr } = recorded.keys;
  const keys: IkeKeys = {
    d: bytesOf(d),
    ai: bytesOf(ai),
    ar: bytesOf(ar),
    ei: bytesOf(ei),
    er: bytesOf(er),
    pi: bytesOf(pi),
    pr: bytesOf(pr),
  };
  const line = ikeKeyLogLine(parsed.value.header.spiI, parsed.value.header.spiR, suiteOf(recorded.ike), keys);
  assert.ok(line);
  return line;
}

/** A classic pcap of raw IPv4 (link type 101): the messages as UDP on port 500, to and fro. */
function capture(messages: readonly Uint8Array[]): Uint8Array {
  const writer = new Writer();
  writer.u32(0xa1b2c3d4).u16(2).u16(4).u32(0).u32(0).u32(65_535).u32(101);
  for (const [i, message] of messages.entries()) {
    const udp = new Writer()
      .u16(500)
      .u16(500)
      .u16(8 + message.length)
      .u16(0)
      .bytes(message)
      .finish();
    const [from, to] = i % 2 === 0 ? [1, 2] : [2, 1];
    const ip = new Writer()
      .u8(0x45)
      .u8(0)
      .u16(20 + udp.length)
      .u32(0)
      .u8(64)
      .u8(17)
      .u16(0)
      .u32(0x0a000000 + from)
      .u32(0x0a000000 + to)
      .finish();
    writer
      .u32(i)
      .u32(0)
      .u32(ip.length + udp.length)
      .u32(ip.length + udp.length)
      .bytes(concat(ip, udp));
  }
  return writer.finish();
}

function tshark(
  tables: Readonly<Record<string, readonly string[]>>,
  messages: readonly Uint8Array[],
): { readonly stdout: string; readonly stderr: string } {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-keylog-'));
  try {
    for (const [name, lines] of Object.entries(tables)) writeFileSync(join(folder, name), `${lines.join('\n')}\n`);
    const file = join(folder, 'a.pcap');
    writeFileSync(file, capture(messages));
    const { stdout, stderr } = spawnSync('tshark', ['-r', file, '-V'], {
      encoding: 'utf8',
      env: { ...process.env, WIRESHARK_CONFIG_DIR: folder },
    });
    return { stdout, stderr };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const recorded of recordedExchanges) {
  test(`${recorded.name}: tshark opens every message with our line`, { skip: missing }, () => {
    const messages = recorded.messages.map(bytesOf);
    const { stdout, stderr } = tshark({ ikev2_decryption_table: [lineOf(recorded)] }, messages);
    assert.doesNotMatch(stderr, /Error|rror loading|uat/i);
    assert.equal(stdout.match(/Decrypted Data/g)?.length, 6, 'all six encrypted payloads');
    assert.equal(stdout.match(/\[correct\]/g)?.length, 6, 'and their checksums hold');
    assert.match(stdout, /alice@office\.test/);
    assert.match(stdout, /Payload: Delete/);
    assert.doesNotMatch(stdout, /Malformed|incorrect/i);
  });
}

test('a line for every cipher and hash that Wireshark 4.0 has a name for, and it takes them all', { skip: missing }, () => {
  const ciphers = transforms.filter((row): row is EncrTransform => row.type === 1);
  const hashes = transforms.filter((row): row is IntegTransform => row.type === 3);
  const ike: string[] = [];
  const esp: string[] = [];
  for (const encr of ciphers) {
    for (const integ of encr.aead ? [undefined] : hashes) {
      const encryption = new Uint8Array(encr.keyBytes + encr.saltBytes).fill(7);
      const integrity = new Uint8Array(integ?.keyBytes ?? 0).fill(8);
      const suite = { ...suiteOf('aes128-sha256-x25519'), encr, integ };
      const key = new Uint8Array(32);
      const spi = new Uint8Array(8).fill(ike.length + 1);
      const line = ikeKeyLogLine(spi, spi, suite, {
        d: key,
        pi: key,
        pr: key,
        ai: integrity,
        ar: integrity,
        ei: encryption,
        er: encryption,
      });
      const lines = espKeyLogLines(childOf(encr, integ, { encryption, integrity }, esp.length + 256));
      assert.equal(line === undefined, encr.name === 'CHACHA20_POLY1305');
      assert.equal(lines.length, line === undefined ? 0 : 2);
      if (line !== undefined) ike.push(line);
      esp.push(...lines);
    }
  }
  assert.equal(ike.length, 3 * 4 + 9);
  const { stderr } = tshark({ ikev2_decryption_table: ike, esp_sa: esp }, []);
  assert.doesNotMatch(stderr, /rror/);
  // The check itself: a name that does not exist is noticed.
  assert.match(tshark({ ikev2_decryption_table: [ike[0].replace('AES-CBC', 'AES-XYZ')] }, []).stderr, /rror/);
  assert.match(tshark({ esp_sa: [esp[0].replace('AES-CBC', 'AES-XYZ')] }, []).stderr, /rror/);
});

function childOf(encr: EncrTransform, integ: IntegTransform | undefined, keys: ChildSa['keysIn'], spi: number): ChildSa {
  const end = { address: '192.0.2.1', port: 4500 };
  return {
    spiIn: spi,
    spiOut: spi + 1,
    encr,
    integ,
    esn: { type: 5, id: 0, name: 'NO_EXT_SEQ', keyword: 'noesn' },
    ke: undefined,
    keysIn: keys,
    keysOut: keys,
    localSelectors: [],
    remoteSelectors: [],
    local: end,
    remote: end,
    keepalive: false,
  };
}
