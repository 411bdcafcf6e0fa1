import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { importProfile } from '../../../core/profile/import.ts';
import { profileSchema } from '../../../core/profile/schema.ts';
import { alice, root } from './credentials.ts';
import { profileText, sample } from './sample.ts';

/** As much of JSON Schema as resources/profile.schema.json uses; a keyword it does not know is an error of the test. */
interface Schema {
  readonly [keyword: string]: unknown;
}

const document: Schema = JSON.parse(readFileSync(new URL('../../../resources/profile.schema.json', import.meta.url), 'utf8'));

const SILENT = new Set(['$schema', 'title', 'description', 'default', '$defs']);

function fits(value: unknown, schema: Schema): boolean {
  return Object.entries(schema).every(([keyword, wanted]) => SILENT.has(keyword) || check(keyword, wanted, value, schema));
}

function check(keyword: string, wanted: unknown, value: unknown, schema: Schema): boolean {
  const list = Array.isArray(wanted) ? wanted : [];
  switch (keyword) {
    case '$ref':
      return fits(value, Object(Object(document.$defs)[String(wanted).replace('#/$defs/', '')]));
    case 'const':
      return value === wanted;
    case 'enum':
      return list.includes(value);
    case 'type':
      if (wanted === 'integer') return Number.isInteger(value);
      if (wanted === 'array') return Array.isArray(value);
      if (wanted === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
      return typeof value === wanted;
    case 'minimum':
      return typeof value !== 'number' || value >= Number(wanted);
    case 'maximum':
      return typeof value !== 'number' || value <= Number(wanted);
    case 'minLength':
      return typeof value !== 'string' || value.length >= Number(wanted);
    case 'maxLength':
      return typeof value !== 'string' || value.length <= Number(wanted);
    case 'pattern':
      return typeof value !== 'string' || new RegExp(String(wanted), 'u').test(value);
    case 'uniqueItems':
      return !Array.isArray(value) || new Set(value).size === value.length;
    case 'minItems':
      return !Array.isArray(value) || value.length >= Number(wanted);
    case 'maxItems':
      return !Array.isArray(value) || value.length <= Number(wanted);
    case 'items':
      return !Array.isArray(value) || value.every((item) => fits(item, Object(wanted)));
    case 'required':
      return list.every((key) => Object.hasOwn(Object(value), String(key)));
    case 'properties':
      return Object.entries(Object(value)).every(
        ([key, inner]) => !Object.hasOwn(Object(wanted), key) || fits(inner, Object(Object(wanted)[key])),
      );
    case 'additionalProperties':
      return Object.keys(Object(value)).every((key) => Object.hasOwn(Object(schema.properties), key));
    case 'oneOf':
      return list.filter((one) => fits(value, Object(one))).length === 1;
    case 'anyOf':
      return list.some((one) => fits(value, Object(one)));
    default:
      throw new Error(`the test does not know the keyword ${keyword}`);
  }
}

/** Values to try in each field; the importer and the published schema must say the same of each. */
const tries: Readonly<Record<string, readonly unknown[]>> = {
  sallyport: [1, 2, '1', null],
  name: ['Office', '', ' ', 'x'.repeat(100), 'x'.repeat(101), 'a\u0000', 'a\u200f', 7],
  uuid: ['2d2e7f70-5b0a-4a55-9d7e-3f1c5f0a8b11', '2d2e7f70', 1],
  gatewayPorts: [{}, { ike: 500 }, { ike: 0 }, { natt: 65536 }, { natt: 1.5 }, [], 'x'],
  auth: [
    { method: 'psk', secret: 'x' },
    { method: 'psk', secret: '' },
    { method: 'eap', secret: 'x' },
    { method: 'psk' },
    { method: 'eap' },
    { method: 'psk', secret: { base64: 'AAAA' } },
    { method: 'psk', secret: { base64: 'A' } },
    { method: 'psk', secret: { hex: '00ff' } },
    { method: 'psk', secret: { hex: '0' } },
    { method: 'psk', secret: { hex: '00', base64: 'AAAA' } },
    { method: 'psk', secret: 7 },
    { method: 'psk', password: 'x' },
    'psk',
    { method: 'certificate' },
    { method: 'certificate', certificate: alice.pem },
    { method: 'certificate', certificate: [alice.pem], key: alice.key.pkcs8Pem },
    { method: 'certificate', certificate: [], key: alice.key.pkcs8Pem },
    { method: 'certificate', certificate: 'no PEM' },
    { method: 'certificate', certificate: alice.pem, identity: 'alice' },
    { method: 'certificate', certificate: alice.pem, keyPassword: '' },
    { method: 'eap', identity: 'alice', password: 'x', methods: ['mschapv2', 'gtc'], serverName: 'radius' },
    { method: 'eap', identity: '' },
    { method: 'eap', identity: ' ' },
    { method: 'eap', identity: 'a\u0000' },
    { method: 'eap', password: '' },
    { method: 'eap', methods: [] },
    { method: 'eap', methods: ['mschapv2', 'mschapv2'] },
    { method: 'eap', methods: ['leap'] },
    { method: 'eap', authorities: root.pem },
    { method: 'eap', secret: 'x' },
    { method: 'certificate-eap', certificate: alice.pem, identity: 'alice' },
    { method: 'certificate-eap', identity: 'alice' },
  ],
  gatewayAuth: [
    {},
    { method: 'psk' },
    { method: 'certificate', authorities: root.pem },
    { method: 'raw' },
    { authorities: [root.pem], intermediates: root.pem, systemRoots: true, certreq: false, commonName: true },
    { authorities: [] },
    { systemRoots: 'yes' },
    { revocation: {} },
    { revocation: { crl: false, ocsp: false, strict: true } },
    { revocation: { crl: false, ocsp: false } },
    { revocation: { crl: false, strict: true } },
    { revocation: { crl: 1 } },
    { revocation: [] },
    [],
    'psk',
  ],
  ikeProposals: [['default'], [], 'default', [7], ['']],
  espProposals: [['aes256gcm16'], [], [null]],
  remoteNetworks: [['0.0.0.0/0'], [], '10.0.0.0/8', Array.from({ length: 65 }, (_, i) => `10.${i}.0.0/16`)],
  ipv4: [true, 1, 'true'],
  ipv6: [false, null],
  dns: [true, 0],
  mtu: [1280, 1279, 1500, 1501, 1400.5, '1400'],
  natKeepalive: [0, 4, 5, 3600, 3601, -1],
  liveness: [0, 4, 5, 86400, 86401],
  gateways: [[], ['vpn.office.test'], [''], 'vpn.office.test', Array(9).fill('a.test'), null],
  tcp: ['auto', 'always', 'never', 'yes', true, '', null],
  tcpPorts: [[4500], [443, 4500], [], [0], [65_536], ['443'], 443, [1, 2, 3, 4, 5], null],
  fragmentation: ['yes', 'no', 'force', 'accept', true, '', null],
  redirect: [true, false, 'yes', null],
  resumption: [true, false, 1, null],
  childless: [true, false, 'force', null],
  mobike: [true, false, 'no', 0, null],
  additionalChildren: [
    [],
    [{ remoteNetworks: ['10.2.0.0/16'] }, { remoteNetworks: ['fd01::/64', '10.3.0.0/16'] }],
    [{ remoteNetworks: [] }],
    [{}],
    [{ remoteNetworks: ['10.2.0.0/16'], name: 'x' }],
    [{ remoteNetworks: Array(32).fill('10.2.0.0/16') }],
    [{ remoteNetworks: Array(33).fill('10.2.0.0/16') }],
    Array(9).fill({ remoteNetworks: ['10.2.0.0/16'] }),
    [['10.2.0.0/16']],
    ['10.2.0.0/16'],
    {},
    null,
  ],
  initialContact: [true, false, 0, null],
  reauthenticateEvery: [0, 299, 300, 604_800, 604_801, 300.5, '3600', null],
  rekeyIke: [0, 9, 10, 604_800, 604_801, 10.5, '3600', null],
  rekeyChild: [0, 9, 10, 604_800, 604_801, 10.5, '3600', null],
  rekeyBytes: [0, 99_999, 100_000, 1e15, 1e15 + 1, 1e5 + 0.5, '1000000', null],
  rekeyPackets: [0, 99, 100, 1e12, 1e12 + 1, 100.5, '1000', null],
  rekeyRehearsal: [true, false, 'yes', 0, null],
  whenLost: ['hold', 'lock', 'open', 'end', 'never', '', null],
  ppk: [
    { id: 'office-ppk-1', secret: 'a' },
    { id: 'a@b.test', secret: { hex: '00ff' }, required: true },
    { id: 'x', secret: { base64: 'AAAA' }, required: false },
    { id: 'x' },
    { secret: 'a' },
    { id: '', secret: 'a' },
    { id: 'two words', secret: 'a' },
    { id: 'x'.repeat(128), secret: 'a' },
    { id: 'x'.repeat(129), secret: 'a' },
    { id: 'ä', secret: 'a' },
    { id: 'x', secret: '' },
    { id: 'x', secret: { hex: '0' } },
    { id: 'x', secret: 'a', required: 'yes' },
    'x',
    [],
    null,
  ],
  replayWindow: [0, 63, 64, 4096, 4097, 100.5, '64', null],
  localPort: ['standard', 'any', 'none', 500],
  folder: ['', 'Work', 'x'.repeat(100), 'x'.repeat(101), 'a\u0000', 7, null],
  locked: [true, false, [], ['gateway', 'secret'], ['color'], 'gateway', [7]],
};

for (const [field, values] of Object.entries(tries)) {
  test(`the JSON Schema and the importer agree on ${field}`, () => {
    for (const value of values) {
      const file = { ...sample, [field]: value };
      const result = importProfile(JSON.stringify(file));
      assert.equal(
        fits(file, document),
        result.ok,
        `${field}: ${JSON.stringify(value)}: ${result.ok ? 'imported' : result.error.detail}`,
      );
    }
  });
}

test('the JSON Schema has the same fields, the same required ones, and takes the sample', () => {
  assert.deepEqual(Object.keys(Object(document.properties)), Object.keys(profileSchema.entries));
  assert.ok(fits(sample, document));
  for (const field of Object.keys(sample)) {
    const { [field]: _, ...rest } = sample;
    assert.equal(fits(rest, document), importProfile(profileText({ [field]: undefined })).ok, field);
  }
});
