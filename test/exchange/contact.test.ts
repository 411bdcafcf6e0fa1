/** INITIAL_CONTACT (RFC 7296 §2.4): what it ends, who says it, and what it means from the office. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NOTIFY } from '../../core/ike/wire/constants.ts';
import { notify } from '../../core/ike/wire/payloads.ts';
import { identity, SECRET } from '../gateway/fixtures.ts';
import { agreed, authOf, failed, meet } from './office.ts';
import { Street } from './street.ts';

test('said in the first request: the SA that a crash left behind is dropped, and its address comes back', () => {
  const street = new Street();
  const first = street.visit();
  agreed(first);
  // The client is gone without a word, and comes again.
  const second = street.visit({ initialContact: true });
  assert.ok(authOf(second, 'IKE_AUTH request').includes('N(INITIAL_CONTACT)'));
  const [{ sa }] = second.outputs('established');
  assert.deepEqual(
    street.office.list().map(({ id }) => id),
    [sa.spiR],
  );
});

test('not said: both stay, as a machine that takes the place of another wants it', () => {
  const street = new Street();
  agreed(street.visit());
  const second = street.visit();
  assert.ok(!authOf(second, 'IKE_AUTH request').includes('N(INITIAL_CONTACT)'));
  assert.equal(second.outputs('established').length, 1);
  assert.equal(street.office.list().length, 2);
});

test('it ends nothing of anybody else', () => {
  const users = ['alice', 'bob'].map((name) => ({ identity: identity(`${name}@office.test`), secret: SECRET }));
  const street = new Street({ users });
  agreed(street.visit());
  const bob = street.visit({ localIdentity: identity('bob@office.test'), initialContact: true });
  assert.equal(bob.outputs('established').length, 1);
  assert.equal(street.office.list().length, 2);
});

test('by who is not believed it ends nothing', () => {
  const street = new Street();
  agreed(street.visit());
  const wrong = { method: 'psk', secret: new Uint8Array(20) } as const;
  const thief = street.visit({ initialContact: true, auth: { local: [wrong], gateway: wrong } });
  failed(thief, 'authentication-failed');
  assert.equal(street.office.list().filter(({ state }) => state === 'established').length, 1);
});

test('the office says it: the facts do, and in the middle of a session it means nothing', () => {
  const said = meet({ office: { changeAuth: (honest) => [...honest, notify(NOTIFY.INITIAL_CONTACT)] } });
  agreed(said);
  assert.equal(said.outputs('established')[0]?.sa.initialContact, true);
  const plain = meet({});
  assert.equal(plain.outputs('established')[0]?.sa.initialContact, undefined);
  plain.tellOffice({ kind: 'tell', payloads: [notify(NOTIFY.INITIAL_CONTACT)] });
  plain.run(60_000);
  assert.deepEqual(plain.outputs('closed'), []);
  assert.deepEqual(plain.outputs('remove-child'), []);
});
