import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat, fromUtf8 } from '../../../../../core/bytes/bytes.ts';
import type { EapServerConfig } from '../../../../gateway/eap/server.ts';
import { type DialogueOptions, ending, evidence, hold, text, typesSent } from './dialogue.ts';

const office: EapServerConfig = { methods: ['mschapv2'], users: { alice: { password: 'secret' } } };

const talk = (server: Partial<EapServerConfig>, rest: Omit<DialogueOptions, 'server'> = {}) =>
  hold({ server: { ...office, ...server }, ...rest });

describe('MSCHAPv2', () => {
  test('the right password makes the same key on both sides, of 64 octets', async () => {
    const done = await talk({});
    assert.equal(ending(done), 'success');
    assert.ok(done.peer?.kind === 'success' && done.server?.kind === 'success');
    assert.equal(done.peer.msk?.length, 64);
    assert.deepEqual(done.peer.msk, done.server.msk);
    assert.equal(done.peer.mutual, false);
    assert.equal(done.server.identity, 'alice');
    assert.deepEqual(
      done.asked.map(({ want, identity, attempt }) => [want, identity, attempt]),
      [['password', 'alice', 1]],
    );
    assert.deepEqual(typesSent(done), [1, 26, 26]);
  });

  test('a name with a domain is sent whole and hashed without it (RFC 2759 §8.2)', async () => {
    const done = await talk(
      { users: { 'OFFICE\\alice': { password: 'pässwörd' } } },
      { peer: { identity: 'OFFICE\\alice' }, typed: ['pässwörd'] },
    );
    assert.equal(ending(done), 'success');
    assert.equal(text(done.sent[0]), 'OFFICE\\alice');
  });

  test('without the identity being asked for, the one of the profile is used', async () => {
    const done = await talk({ askIdentity: false, name: 'alice' });
    assert.equal(ending(done), 'success');
    assert.deepEqual(typesSent(done), [26, 26]);
  });

  test('an identity that is not in the profile is asked for first, once', async () => {
    const done = await talk({}, { peer: { identity: undefined }, typed: ['alice', 'secret'] });
    assert.equal(ending(done), 'success');
    assert.deepEqual(
      done.asked.map(({ want, identity }) => [want, identity]),
      [
        ['identity', ''],
        ['password', 'alice'],
      ],
    );
  });

  test('…also where the gateway does not ask for it', async () => {
    const done = await talk({ askIdentity: false, name: 'alice' }, { peer: { identity: undefined }, typed: ['alice', 'secret'] });
    assert.equal(ending(done), 'success');
  });

  test('a wrong password is E=691 and no more', async () => {
    const done = await talk({}, { typed: ['wrong'] });
    assert.equal(ending(done), 'password-wrong');
    assert.equal(evidence(done), 'MSCHAPv2 E=691 authentication failure: Wrong password');
  });

  test('R=1 asks again, with the words of the gateway, and the right one then does', async () => {
    const done = await talk({ retries: 2 }, { typed: ['wrong', 'wronger', 'secret'] });
    assert.equal(ending(done), 'success');
    assert.deepEqual(
      done.asked.map(({ attempt, text: words }) => [attempt, words]),
      [
        [1, ''],
        [2, 'Wrong password'],
        [3, 'Wrong password'],
      ],
    );
    assert.ok(done.peer?.kind === 'success' && done.server?.kind === 'success');
    assert.deepEqual(done.peer.msk, done.server.msk);
  });

  test('a gateway that lets try without end is left after five times', async () => {
    const done = await talk({ retries: 1000 }, { typed: ['wrong'] });
    assert.equal(ending(done), 'password-wrong');
    assert.equal(done.asked.length, 5);
  });

  for (const [error, code] of [
    [646, 'account-restricted'],
    [647, 'account-disabled'],
    [648, 'password-expired'],
    [649, 'account-restricted'],
    [123, 'eap-refused'],
  ] as const) {
    test(`E=${error} is ${code}`, async () => {
      const done = await talk({ users: { alice: { password: 'secret', error } } });
      assert.equal(ending(done), code);
      assert.match(evidence(done), new RegExp(`E=${error}.*Ask the office`));
    });
  }

  test('a question that is cancelled ends it', async () => {
    assert.equal(ending(await talk({}, { typed: [undefined] })), 'credential-cancelled');
  });
});

describe('a gateway that does MSCHAPv2 wrong', () => {
  test('success without S= (CVE-2015-8023)', async () => {
    assert.equal(ending(await talk({ misbehave: 'success-without-proof' })), 'eap-server-unproven');
  });

  test('success with a wrong S=', async () => {
    assert.equal(ending(await talk({ misbehave: 'success-wrong-proof' })), 'eap-server-unproven');
  });

  test('EAP-Success instead of S= (CVE-2021-45079)', async () => {
    assert.equal(ending(await talk({ misbehave: 'success-before-proof' })), 'eap-protocol');
  });

  // CVE-2025-62291 and CVE-2015-8023: whatever the length of the message and where it breaks off, it is a refusal.
  const whole = `E=691 R=1 C=${'0123456789ABCDEF'.repeat(2)} V=3 M=Authentication failure`;
  const texts = [
    ...Array.from({ length: whole.length + 1 }, (_, length) => whole.slice(0, length)),
    'E=',
    'E=99999999999999999999',
    'E=-691 R=1',
    'E=691 R=1 C=',
    'E=691 R=1 C=0',
    `E=691 R=1 C=${'0'.repeat(31)} V=3`,
    `E=691 R=1 C=${'0'.repeat(33)} V=3`,
    `E=691 R=1 C=${'zz'.repeat(16)} V=3`,
    `E=691 R=0 C=${'0'.repeat(3000)}`,
    `M=${'x'.repeat(5000)}`,
    ' M= ',
    '\0\0\0\0',
    'E=691 R=1\0C=',
  ];
  for (const failureText of texts) {
    test(`failure request ${JSON.stringify(failureText.slice(0, 60))} (${failureText.length})`, async () => {
      const done = await talk({ failureText: fromUtf8(failureText) });
      // RFC 2759 §6: without a number that reads, nobody is told that the password was wrong.
      const allowed = /^E=\d{1,10}(?!\d)/.test(failureText) ? ['password-wrong', 'eap-refused'] : ['eap-protocol'];
      assert.ok(allowed.includes(ending(done)), ending(done));
      assert.ok(evidence(done).length < 400);
    });
  }

  // RFC 2759 §6: M= is "in the appropriate charset and language". Only 512 octets are looked at, which may end within a character.
  for (const [what, words, shown] of [
    ['UTF-8', fromUtf8('Kennwort ungültig – 비밀번호'), 'Kennwort ungültig – 비밀번호'],
    ['UTF-8, cut off', fromUtf8('ü'.repeat(400)), /^ü{100,256}$/],
    ['Latin-1', Uint8Array.of(0x75, 0x6e, 0x67, 0xfc, 0x6c, 0x74, 0x69, 0x67), 'ungültig'],
  ] as const) {
    test(`the words of a refusal are told as they were written: ${what}`, async () => {
      const done = await talk({ failureText: concat(fromUtf8('E=648 R=0 V=3 M='), words) });
      assert.equal(ending(done), 'password-expired');
      const told = evidence(done).replace('MSCHAPv2 E=648 password expired: ', '');
      assert.ok(typeof shown === 'string' ? told === shown : shown.test(told), told);
    });
  }

  test('a message that is shorter or longer than it says', async () => {
    for (const change of [-300, -54, -5, -1, 1, 300]) {
      const done = await talk({}, { onTheWay: (packet) => lengthen(packet, change) });
      assert.equal(ending(done), 'eap-protocol', `${change}`);
      assert.equal(done.asked.length, 0);
    }
  });
});

describe('GTC and OTP', () => {
  test('the words of the gateway are asked, and what is typed is sent as it is', async () => {
    const users = { alice: { password: '', codes: [{ text: 'Enter the code of your token', answer: '123456' }] } };
    const done = await talk({ methods: ['gtc'], users }, { typed: ['123456'] });
    assert.equal(ending(done), 'success');
    assert.ok(done.peer?.kind === 'success');
    assert.equal(done.peer.msk, undefined);
    assert.deepEqual(
      done.asked.map((ask) => [ask.want, ask.text]),
      [['code', 'Enter the code of your token']],
    );
  });

  test('what asks for a password is a password', async () => {
    const done = await talk({ methods: ['gtc'] });
    assert.equal(ending(done), 'success');
    assert.equal(done.asked[0].want, 'password');
  });

  test('a second question is another question; the same again is another attempt', async () => {
    const codes = [
      { text: 'Password:', answer: 'secret' },
      { text: 'Next code', answer: '2' },
      { text: 'Next code', answer: '3' },
    ];
    const done = await talk({ methods: ['gtc'], users: { alice: { password: '', codes } } }, { typed: ['secret', '2', '3'] });
    assert.equal(ending(done), 'success');
    assert.deepEqual(
      done.asked.map(({ want, attempt }) => [want, attempt]),
      [
        ['password', 1],
        ['code', 1],
        ['code', 2],
      ],
    );
  });

  test('a wrong code is refused', async () => {
    assert.equal(ending(await talk({ methods: ['otp'] }, { typed: ['000000'] })), 'eap-refused');
  });

  test('the words are made one printable line of at most 256 characters', async () => {
    const codes = [{ text: `a\u001b[31m\r\nb\u202e\u0007${'x'.repeat(9000)}`, answer: '1' }];
    const done = await talk({ methods: ['otp'], users: { alice: { password: '', codes } } }, { typed: ['1'] });
    assert.equal(ending(done), 'success');
    assert.equal(done.asked[0].text.length, 256);
    assert.match(done.asked[0].text, /^a\[31m bx+$/);
  });

  test('questions without end are ended', async () => {
    const done = await talk({ methods: ['gtc'], misbehave: 'endless-questions' });
    assert.equal(ending(done), 'eap-protocol');
    assert.ok(done.rounds <= 151, `${done.rounds}`);
  });
});

describe('MD5', () => {
  test('where the user allowed it', async () => {
    const done = await talk({ methods: ['md5'] }, { peer: { methods: ['md5'] } });
    assert.equal(ending(done), 'success');
    assert.ok(done.peer?.kind === 'success' && done.peer.msk === undefined);
  });

  test('where not, it is answered with a NAK and nothing is asked', async () => {
    const done = await talk({ methods: ['md5'] });
    assert.equal(ending(done), 'eap-not-allowed');
    assert.equal(done.asked.length, 0);
    assert.match(evidence(done), /offers MD5-Challenge \(4\); allowed here: MSCHAPv2 \(26\)/);
  });
});

/** MS-Length of the challenge, `change` more than it is. */
function lengthen(packet: Uint8Array, change: number): Uint8Array {
  if (packet[4] !== 26) return packet;
  const out = packet.slice();
  const length = ((out[7] << 8) | out[8]) + change;
  out[7] = length >>> 8;
  out[8] = length & 0xff;
  return out;
}
