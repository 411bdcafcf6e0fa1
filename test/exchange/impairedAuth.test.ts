/** Many rounds of IKE_AUTH over a bad network: repetitions are answered from the cache, and every round is done once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IkeAsk } from '../../core/ike/auth/contract.ts';
import {
  anchor,
  answering,
  authorities,
  byCertificate,
  byEap,
  eapServer,
  officeCertificate,
  PASSWORD,
  USER,
  userCertificate,
} from '../gateway/credentials.ts';
import { clientConfig, identity } from '../gateway/fixtures.ts';
import { agreed, meet } from './office.ts';
import { dice } from './world.ts';

const SEEDS = 25;
const user = userCertificate();
const certificate = officeCertificate();

test(`a certificate, then EAP, through 20 % loss, 20 % doubles and overtaking, ${SEEDS} times`, () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    const roll = dice(`impaired auth ${seed}`);
    const once = () => (roll() < 0.2 ? [] : [20 + roll() * 700]);
    const asked: IkeAsk[] = [];
    const conversation = meet({
      client: {
        auth: { local: [byCertificate(user), byEap()], gateway: { method: 'certificate', authorities } },
        timing: { ...clientConfig.timing, retransmitTries: 12, establishWithin: 200_000 },
      },
      office: {
        certificate,
        users: [{ identity: identity(USER), proofs: ['certificate', 'eap'] }],
        userAuthorities: [anchor],
        eap: eapServer(),
        timing: { ...clientConfig.timing, establishWithin: 200_000 },
      },
      answer: answering({ user, credentials: { password: [PASSWORD] }, asked }),
      network: () => (roll() < 0.2 ? [...once(), ...once()] : once()),
    });
    agreed(conversation);
    const kinds = asked.map(({ kind }) => kind);
    assert.deepEqual(kinds, ['sign', 'gateway-certificate', 'gateway-revocation', 'credential'], `seed ${seed}`);
  }
});
