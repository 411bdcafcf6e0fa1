import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { parseOcsp } from '../../core/pki/ocsp.ts';
import { authority } from './authority.ts';
import { sequence } from './der.ts';
import { certId } from './ocsp.ts';
import type { RevocationMainConfig } from './revocationMain.ts';

test('the process tells when it is ready, serves lists, and signs answers with the key it was given', async () => {
  const root = authority.root();
  const bad = root.issue({ subject: 'CN=bad' });
  const config: RevocationMainConfig = {
    host: '127.0.0.1',
    port: 0,
    answers: {
      '/office.crl': { kind: 'octets', base64: Buffer.from(root.crl().der).toString('base64') },
      '/ocsp': {
        kind: 'ocsp',
        subject: Buffer.from(root.subject).toString('base64'),
        key: root.key.pkcs8Pem,
        revoked: [Buffer.from(bad.serial).toString('hex')],
      },
    },
  };
  const child = spawn(process.execPath, [join(import.meta.dirname, 'revocationMain.ts'), JSON.stringify(config)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const ready = JSON.parse((await lines.next()).value ?? '');
    assert.equal(ready.ready, true);
    const url = `http://127.0.0.1:${ready.port}`;
    assert.equal((await fetch(`${url}/office.crl`)).headers.get('content-type'), 'application/pkix-crl');
    const request = sequence(sequence(sequence(sequence(certId(root, bad.serial)))));
    const answer = await fetch(`${url}/ocsp`, { method: 'POST', body: Buffer.from(request) });
    const said = parseOcsp(await answer.bytes());
    assert.deepEqual(said.ok && said.value.singles.map(({ status }) => status), ['revoked']);
    assert.deepEqual(JSON.parse((await lines.next()).value ?? '').path, '/office.crl');
  } finally {
    child.kill();
    await once(child, 'exit');
  }
});
