/** An office with certificates and EAP, the helper and the command line, in the lab: what a traveller is told when it lies. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Status } from '../../core/rpc/contract.ts';
import { type ReasonCode, reasons } from '../../core/tunnel/reasons.ts';
import { authority } from '../authority/authority.ts';
import { buildStage, type Stage } from '../lab/demo/stage.ts';
import { differences, type HostSnapshot, snapshot } from '../lab/snapshot.ts';
import { PASSWORD, USER } from './credentials.ts';
import type { MisbehaviourName } from './misbehaviours.ts';

const SUBJECT = 'CN=Office Root';
const root = authority.root({ subject: SUBJECT, key: 'rsa' });
const own = root.issue({
  subject: 'CN=vpn.office.test',
  san: ['dns:vpn.office.test'],
  eku: ['serverAuth'],
  key: 'rsa',
});
const user = root.issue({ subject: 'CN=Alice', san: [`email:${USER}`], eku: ['clientAuth'], key: 'p256' });
const base64 = (octets: Uint8Array): string => Buffer.from(octets).toString('base64');

let stage: Stage;
let clean: HostSnapshot;

before(async () => {
  const certificate = {
    chain: own.chain.map(base64),
    key: base64(own.key.pkcs8),
    authority: { subject: SUBJECT, key: base64(root.key.pkcs8) },
  };
  stage = await buildStage(
    {
      reach: 'split',
      identity: 'vpn.office.test',
      certificate,
      userAuthorities: [base64(root.der)],
      users: [{ identity: USER, proofs: ['eap'] }],
      eap: { methods: ['mschapv2'], users: { [USER]: { password: PASSWORD } }, retries: 0 },
    },
    () => {},
  );
  clean = await snapshot(stage.lab.laptop);
  await importProfile('By password', { auth: { method: 'eap', methods: ['mschapv2'], identity: USER, password: PASSWORD } });
  await importProfile('By certificate', { auth: { method: 'certificate', certificate: user.pem, key: user.key.pkcs8Pem } });
});
after(() => stage?.close());

async function importProfile(name: string, more: object): Promise<void> {
  const { names } = stage.lab.addresses;
  const profile = {
    sallyport: 1,
    name,
    uuid: randomUUID(),
    gateway: names.gateway,
    localId: USER,
    remoteId: 'vpn.office.test',
    gatewayAuth: { method: 'certificate', authorities: [root.pem] },
    ...more,
  };
  const file = join(stage.folder, `${name}.json`);
  writeFileSync(file, JSON.stringify(profile), { mode: 0o600 });
  const imported = await stage.cli('--json', 'import', file);
  assert.equal(imported.code, 0, imported.stdout + imported.stderr);
}

async function misbehave(...names: readonly MisbehaviourName[]): Promise<void> {
  stage.office.gateway.send({ do: 'misbehave', names });
  const answer = await stage.office.gateway.next((line) => line.event === 'misbehaving', 5_000);
  assert.deepEqual(answer.names, names);
}

/** What `up` says: the reason of its failure, or undefined. */
async function up(profile: string): Promise<string | undefined> {
  const tried = await stage.cli('--json', 'up', profile, '--timeout', '30');
  const { error } = JSON.parse(tried.stdout) as { readonly error?: { readonly code: ReasonCode } };
  assert.equal(tried.code, error ? reasons[error.code].exitCode : 0, tried.stdout);
  if (error) assert.deepEqual(differences(clean, await snapshot(stage.lab.laptop)), []);
  return error?.code;
}

test('by the right password the tunnel comes up', async () => {
  assert.equal(await up('By password'), undefined, stage.helperSaid());
  const status = JSON.parse((await stage.cli('--json', 'status')).stdout) as Status;
  assert.equal(status.gatewayCertificate?.subject, 'CN=vpn.office.test');
  assert.equal((await stage.cli('down')).code, 0);
});

test('a certificate where the office wants EAP', async () => {
  assert.equal(await up('By certificate'), 'own-cert-refused');
});

/** One of each line of SECURITY.md 1–7; the others are in test/exchange/liars.test.ts. */
const told: Readonly<Partial<Record<MisbehaviourName, ReasonCode>>> = {
  'eap-success-at-once': 'eap-protocol', // 1
  'eap-wrong-key': 'gateway-authentication-failed', // 1
  'eap-success-without-proof': 'eap-server-unproven', // 2
  'eap-success-wrong-proof': 'eap-server-unproven', // 2
  'certificate-other-name': 'gateway-wrong-name', // 3
  'eap-before-gateway': 'eap-before-gateway', // 4
  'eap-downgrade-md5': 'eap-protocol', // 5
  'signature-garbage-after-hash': 'gateway-authentication-failed', // 6
  'signature-cube-root': 'gateway-authentication-failed',
  'signature-sha1': 'gateway-signature-refused',
  'key-tiny': 'gateway-cert-invalid',
  'certificate-of-nobody': 'gateway-untrusted', // 7
  'certificate-expired': 'gateway-cert-expired',
  'certificate-loop': 'gateway-untrusted',
  'authority-outside-constraints': 'gateway-cert-invalid',
  'certificate-by-url': 'gateway-no-certificate',
  'certificate-of-60-kb': 'gateway-cert-invalid', // 15
};

for (const [name, code] of Object.entries(told)) {
  test(`${name}: the command line says ${code} and leaves nothing`, async () => {
    await misbehave(name as MisbehaviourName);
    assert.equal(await up('By password'), code);
  });
}

test('after all of that the honest office is reached', async () => {
  await misbehave();
  assert.equal(await up('By password'), undefined);
  assert.equal((await stage.cli('down')).code, 0);
});
