/** Files that people are sent: .sswan, PKCS #12, PEM, DER and our own with certificates, mutated with a fixed seed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromUtf8, toUtf8 } from '../../core/bytes/bytes.ts';
import { importFiles } from '../../core/profile/readFiles.ts';
import { alice, base64, encryptedKey, gateway, pkcs12, root, sub } from '../unit/profile/credentials.ts';
import { demand, runTarget } from './harness.ts';
import { mutateBytes } from './mutate.ts';

const SECRET = 'zebra-quagga-okapi-giraffe-4711';
const PASSWORD = 'pangolin-axolotl-4712';
const NOW = Date.UTC(2026, 10, 21);

const p12 = pkcs12(alice, { password: PASSWORD });
const sswan = (type: string, local: Readonly<Record<string, unknown>>) =>
  JSON.stringify({
    uuid: '7b4b1bc2-7d7c-4bfb-9a4a-5a8a2f3c7a11',
    name: 'Office',
    type,
    remote: {
      addr: 'vpn.office.test',
      port: 500,
      id: 'vpn.office.test',
      cert: base64(root.der),
      certreq: true,
      revocation: { strict: 'true' },
    },
    local,
    'ike-proposal': 'aes256gcm16-prfsha256-ecp256',
    'split-tunneling': { subnets: ['10.0.0.0/8'], excluded: '10.1.0.0/16 10.2.0.1-10.2.0.7' },
    mtu: '1300',
  });
const own = JSON.stringify({
  sallyport: 1,
  name: 'Office',
  gateway: 'vpn.office.test',
  auth: {
    method: 'certificate-eap',
    certificate: [alice.pem, sub.pem],
    key: alice.key.pkcs8Pem,
    identity: 'alice',
    password: SECRET,
  },
  gatewayAuth: { authorities: root.pem, revocation: { strict: true } },
});
const texts = [
  sswan('ikev2-eap', { eap_id: 'alice', shared_secret: SECRET }),
  sswan('ikev2-cert-eap', { p12: base64(p12), eap_id: 'alice', shared_secret: SECRET, 'rsa-pss': 'true' }),
  own,
  `${alice.pem}${alice.key.pkcs8Pem}${sub.pem}`,
  `${encryptedKey(alice, PASSWORD)}${alice.pem}`,
].map(fromUtf8);
const seeds = [...texts, p12, gateway.der, alice.key.pkcs8];

test('a mutated file is a profile or one line about what is wrong, soon, and tells nothing secret', (t) => {
  const result = runTarget({
    suite: 'fuzz-import',
    name: 'files of profiles',
    seed: 7296,
    runs: 4_000,
    input: (prng) => mutateBytes(prng, prng.pick(seeds), seeds),
    check: (bytes) => {
      const text = toUtf8(bytes);
      const before = performance.now();
      const gatewayName = text.trimStart().startsWith('{') ? {} : { gateway: 'vpn.office.test' };
      const read = importFiles([bytes.slice()], { now: NOW, ...gatewayName, password: PASSWORD });
      demand(performance.now() - before < 3_000, 'it takes too long');
      demand(Object.keys(Object.prototype).length === 0, 'the prototype of all objects has a new key');
      const said = read.ok ? JSON.stringify([read.value.notes, read.value.profile]) : read.error.detail;
      demand(leaks(text.replace(SECRET, '')) || !leaks(said), `a part of the secret is told: ${said}`);
      demand(read.ok || (!/[\n\r]/.test(said) && said.length < 2000 && said.length > 0), `not one line: ${said}`);
      if (!read.ok) return read.error.code;
      return `${read.value.profile.auth} ${Object.keys(read.value.secret).join()}`;
    },
  });
  t.diagnostic(JSON.stringify(result));
  assert.ok(result.ok, JSON.stringify(result));
  assert.ok(Object.keys(result.detail).length >= 5, JSON.stringify(result.detail));
});

function leaks(text: string): boolean {
  for (let at = 0; at + 8 <= SECRET.length; at++) if (text.includes(SECRET.slice(at, at + 8))) return true;
  return false;
}

const refused = (text: string) => {
  const read = importFiles([fromUtf8(text)], { now: NOW });
  assert.equal(read.ok, false);
  return read.ok ? '' : read.error.detail;
};

test('__proto__, entities, depth, size and counts lead nowhere', () => {
  const polluted = texts[0]
    ? toUtf8(texts[0]).replace('"name":', '"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":1}},"name":')
    : '';
  const read = importFiles([fromUtf8(polluted)], { now: NOW });
  assert.ok(read.ok, read.ok ? '' : read.error.detail);
  assert.equal(Object(Object.prototype).polluted, undefined);
  assert.deepEqual(
    read.value.notes.filter(({ code }) => code === 'unknown-field').map(({ field }) => field),
    ['__proto__', 'constructor'],
  );
  const lol = `<!DOCTYPE x [${Array.from({ length: 20 }, (_, i) => `<!ENTITY a${i + 1} "${`&a${i};`.repeat(10)}">`).join('')}]><plist>&a20;</plist>`;
  assert.match(refused(lol), /expected|column|must come/);
  assert.match(refused(`{"type":"ikev2-eap","x":${'['.repeat(100_000)}`), /nested deeper than 8/);
  assert.match(refused(`{"type":"ikev2-eap","x":[${'0,'.repeat(20_000)}0]}`), /more than 10000 values/);
  assert.match(refused(`{"type":"ikev2-eap","name":"${'x'.repeat(600_000)}"}`), /more than/);
  assert.match(refused(`-----BEGIN CERTIFICATE-----\n`.repeat(1000)), /does not end/);
});

test('paths in names and values are texts like any other', () => {
  const file = JSON.parse(sswan('ikev2-eap', { eap_id: '../../etc/passwd' }));
  const read = importFiles([fromUtf8(JSON.stringify({ ...file, name: '../../../etc/cron.d/x' }))], { now: NOW });
  assert.ok(read.ok);
  assert.deepEqual([read.value.profile.name, read.value.profile.eap?.identity], ['../../../etc/cron.d/x', '../../etc/passwd']);
});
