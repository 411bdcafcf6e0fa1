import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGatewayTrust } from '../../../core/helper/gatewayTrust.ts';
import type { TlsRequest } from '../../../core/helper/proof.ts';
import { openTlsSession } from '../../../core/helper/tlsSession.ts';
import { parseCertificate } from '../../../core/pki/certificate.ts';
import { validatePath } from '../../../core/pki/path.ts';
import { defaultTrust } from '../../../core/profile/model.ts';
import { authority } from '../../authority/authority.ts';
import { TlsServer } from '../../gateway/eap/tlsServer.ts';
import { sampleProfile } from './sampleProfile.ts';

const NONE = new Uint8Array(0);
const office = authority.root({ subject: 'CN=Office EAP CA' });
const radius = office.issue({ subject: 'CN=radius', san: ['dns:radius.office.test'], eku: ['serverAuth'] });
const ca = Buffer.from(office.der).toString('base64');

/** The server's first flight, and what is said to it. */
async function meet(revocation: TlsRequest['revocation']) {
  const eap = { methods: ['peap'], identity: 'alice', serverName: 'radius.office.test', authorities: [ca] } as const;
  const profile = sampleProfile({ auth: 'eap', eap, trust: { ...defaultTrust('eap'), method: 'eap-only' } });
  const ports = { pki: { parseCertificate, validatePath }, systemRoots: () => [], now: Date.now };
  const trust = createGatewayTrust(ports, profile);
  assert.ok(trust.ok);
  const session = openTlsSession({ trust: trust.value, certificates: [], signer: undefined, revocation, log: () => {} });
  const server = new TlsServer({ method: 'peap', certPem: radius.chainPem, keyPem: radius.key.pkcs8Pem });
  const ask = (open: boolean, received: Uint8Array) =>
    session.exchange({ kind: 'tls', method: 'peap', open, received, write: NONE });
  const hello = await ask(true, NONE);
  assert.ok(hello.kind === 'tls');
  const answer = await ask(false, (await server.exchange(hello.send, NONE)).send);
  session.close();
  server.close();
  assert.ok(answer.kind === 'tls');
  return { state: answer.state, failure: answer.failure, octets: answer.send.length };
}

test('a server whose certificate was revoked gets an alert and nothing else', async () => {
  const asked: number[] = [];
  const revoked = await meet(async (path) => {
    asked.push(path.length);
    return { verdicts: [], fault: { code: 'revoked', evidence: 'it was stolen' } };
  });
  assert.deepEqual(revoked.failure, { code: 'eap-server-certificate', evidence: 'revoked: it was stolen' });
  assert.deepEqual([revoked.state, revoked.octets, asked], ['failed', 7, [2]]);
  assert.equal((await meet(async () => ({ verdicts: [], fault: undefined }))).state, 'open');
  assert.equal((await meet(undefined)).state, 'open');
});
