/** Signature authentication of both sides, every algorithm and method, between the client and the embedded head office. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SignatureAlgorithm } from '../../core/crypto/signatureTypes.ts';
import type { IkeAsk, LocalAuth } from '../../core/ike/auth/contract.ts';
import { pskBothWays } from '../../core/ike/auth/psk.ts';
import type { KeyName } from '../authority/keys.ts';
import {
  anchor,
  answering,
  authorities,
  byCertificate,
  officeCertificate,
  USER,
  userCertificate,
} from '../gateway/credentials.ts';
import { identity, SECRET } from '../gateway/fixtures.ts';
import { agreed, authOf, failed, meet } from './office.ts';

const alice = identity(USER);
const byKey: LocalAuth = { method: 'psk', secret: SECRET };
const byCertificateOfGateway = { method: 'certificate', authorities } as const;

const pkcs1 = (hash: 'sha256' | 'sha384' | 'sha512'): SignatureAlgorithm => ({ kind: 'rsa-pkcs1', hash });
const ecdsa = (hash: 'sha256' | 'sha384' | 'sha512'): SignatureAlgorithm => ({ kind: 'ecdsa', hash, format: 'der' });

const digital: readonly (readonly [KeyName, SignatureAlgorithm])[] = [
  ['rsa', pkcs1('sha256')],
  ['rsa', pkcs1('sha384')],
  ['rsa3072', pkcs1('sha512')],
  ['rsa', { kind: 'rsa-pss', hash: 'sha256', saltLength: 32 }],
  ['rsa', { kind: 'rsa-pss', hash: 'sha384', saltLength: 48 }],
  ['rsa-pss', { kind: 'rsa-pss', hash: 'sha512', saltLength: 64 }],
  ['p256', ecdsa('sha256')],
  ['p384', ecdsa('sha384')],
  ['p384', ecdsa('sha256')],
  ['p521', ecdsa('sha512')],
  ['brainpoolP256r1', ecdsa('sha256')],
  ['ed25519', { kind: 'ed25519' }],
  ['ed448', { kind: 'ed448' }],
];

for (const [key, algorithm] of digital) {
  const name = 'hash' in algorithm ? `${algorithm.kind} with ${algorithm.hash}` : algorithm.kind;
  test(`Digital Signature (RFC 7427) by ${key}, ${name}: the gateway's`, () => {
    const conversation = meet({
      client: { auth: { local: [byKey], gateway: byCertificateOfGateway } },
      office: { certificate: { ...officeCertificate(key), algorithms: [algorithm] } },
      answer: answering(),
    });
    agreed(conversation);
  });

  test(`Digital Signature (RFC 7427) by ${key}, ${name}: the user's`, () => {
    const user = userCertificate(key);
    const conversation = meet({
      client: {
        auth: { local: [{ ...byCertificate(user), algorithms: [algorithm] }], gateway: { method: 'psk', secret: SECRET } },
      },
      office: {
        hashes: [2, 3, 4, 5],
        users: [{ identity: alice, secret: SECRET, proofs: ['certificate'] }],
        userAuthorities: [anchor],
      },
      answer: answering({ user }),
    });
    agreed(conversation);
  });
}

const classic: readonly (readonly [KeyName, string])[] = [
  ['p256', 'ECDSA_256'],
  ['p384', 'ECDSA_384'],
  ['p521', 'ECDSA_521'],
  ['rsa', 'RSA'],
];

for (const [key, method] of classic) {
  test(`with a gateway that knows no RFC 7427 both sides sign by ${method}`, () => {
    const user = userCertificate(key);
    const asked: IkeAsk[] = [];
    const conversation = meet({
      client: { auth: { local: [byCertificate(user)], gateway: byCertificateOfGateway } },
      office: {
        hashes: [],
        certificate: officeCertificate(key),
        users: [{ identity: alice, proofs: ['certificate'] }],
        userAuthorities: [anchor],
      },
      answer: answering({ user, asked }),
    });
    agreed(conversation);
    const sign = asked.find((ask) => ask.kind === 'sign');
    // RFC 7296 §3.8: SHA-1 is what such gateways expect of RSA.
    if (method === 'RSA') assert.deepEqual(sign?.algorithm, { kind: 'rsa-pkcs1', hash: 'sha1' });
    else
      assert.deepEqual(sign?.algorithm, { kind: 'ecdsa', hash: `sha${method.slice(6).replace('521', '512')}`, format: 'p1363' });
  });
}

test('the authorities of CERTREQ go with the ask, and what comes back with the signature is what is sent', () => {
  const user = userCertificate();
  const asked: IkeAsk[] = [];
  const answer = answering({ user, asked });
  const conversation = meet({
    client: {
      auth: { local: [{ ...byCertificate(user), certificates: [user.der] }], gateway: byCertificateOfGateway },
    },
    office: {
      certificate: officeCertificate(),
      users: [{ identity: alice, proofs: ['certificate'] }],
      userAuthorities: [anchor],
    },
    answer: (ask) => {
      const given = answer(ask);
      return 'kind' in given && given.kind === 'sign' ? { ...given, certificates: user.chain } : given;
    },
  });
  agreed(conversation);
  const [sign] = asked;
  assert.ok(sign?.kind === 'sign');
  assert.deepEqual(sign.authorities, authorities);
});

test('the order of the asks: sign, chain, revocation', () => {
  const asked: IkeAsk[] = [];
  const user = userCertificate();
  const conversation = meet({
    client: { auth: { local: [byCertificate(user)], gateway: byCertificateOfGateway } },
    office: {
      certificate: officeCertificate(),
      users: [{ identity: alice, proofs: ['certificate'] }],
      userAuthorities: [anchor],
    },
    answer: answering({ user, asked }),
  });
  agreed(conversation);
  assert.deepEqual(
    asked.map(({ kind }) => kind),
    ['sign', 'gateway-certificate', 'gateway-revocation'],
  );
  const [, chain] = asked;
  assert.ok(chain?.kind === 'gateway-certificate');
  assert.equal(chain.certificates.length, 2, 'the end entity and the authority between');
  assert.equal(chain.identity.text, 'vpn.office.test');
});

test('a hash the gateway did not announce is not signed with', () => {
  const user = userCertificate('p384');
  const asked: IkeAsk[] = [];
  const conversation = meet({
    client: { auth: { local: [byCertificate(user)], gateway: byCertificateOfGateway } },
    office: {
      hashes: [2],
      certificate: officeCertificate(),
      users: [{ identity: alice, proofs: ['certificate'] }],
      userAuthorities: [anchor],
    },
    answer: answering({ user, asked }),
  });
  agreed(conversation);
  const sign = asked.find((ask) => ask.kind === 'sign');
  assert.deepEqual(sign?.algorithm, ecdsa('sha256'));
});

test('nothing suits: an Ed25519 key and a gateway without RFC 8420 end before anything is signed, and both are named', () => {
  const user = userCertificate('ed25519');
  const asked: IkeAsk[] = [];
  const conversation = meet({
    client: { auth: { local: [byCertificate(user)], gateway: byCertificateOfGateway } },
    office: { hashes: [2, 3, 4], certificate: officeCertificate(), users: [{ identity: alice, proofs: ['certificate'] }] },
    answer: answering({ user, asked }),
  });
  failed(
    conversation,
    'auth-method-mismatch',
    /^the gateway takes signatures with SHA2_256, SHA2_384, SHA2_512, and the own key makes ed25519$/,
  );
  assert.deepEqual(asked, []);
});

test('CERTREQ: the hashes of the authorities, and OCSP in band when it is wanted (RFC 4806)', () => {
  const answer = Uint8Array.of(0x30, 3, 0x0a, 1, 6);
  for (const ocsp of [false, true]) {
    const asked: IkeAsk[] = [];
    const conversation = meet({
      client: { auth: { local: [byKey], gateway: { ...byCertificateOfGateway, ocsp } } },
      office: { certificate: { ...officeCertificate(), ocsp: [answer] } },
      answer: answering({ asked }),
    });
    agreed(conversation);
    const payloads = authOf(conversation, 'IKE_AUTH request');
    assert.equal(payloads.filter((kind) => kind === 'CERTREQ').length, ocsp ? 2 : 1);
    const [chain] = asked;
    assert.ok(chain?.kind === 'gateway-certificate');
    assert.deepEqual(chain.ocsp, ocsp ? [answer] : []);
    assert.equal(chain.certificates.length, 2, 'OCSP answers are no certificates');
  }
});

test('no authorities, no CERTREQ', () => {
  const conversation = meet({
    client: { auth: { local: [byKey], gateway: { method: 'certificate', authorities: [] } } },
    office: { certificate: officeCertificate() },
    answer: answering(),
  });
  agreed(conversation);
  assert.ok(!authOf(conversation, 'IKE_AUTH request').includes('CERTREQ'));
});

test('who is refused after a certificate is told that it was the certificate', () => {
  const user = userCertificate('p256', { notAfter: new Date(Date.now() - 1000) });
  const conversation = meet({
    client: { auth: { local: [byCertificate(user)], gateway: byCertificateOfGateway } },
    office: {
      certificate: officeCertificate(),
      users: [{ identity: alice, proofs: ['certificate'] }],
      userAuthorities: [anchor],
    },
    answer: answering({ user }),
  });
  failed(conversation, 'own-cert-refused', /AUTHENTICATION_FAILED/);
});

// OpenIKED 7.2 does so where none of the authorities in our CERTREQ has issued its certificate.
test('a gateway that is to show a certificate and falls silent is not blamed on the network alone', () => {
  const conversation = meet({
    client: { auth: { local: [byCertificate(userCertificate())], gateway: byCertificateOfGateway } },
    office: { certificate: officeCertificate(), misbehave: ['silent-after-sa-init'] },
    answer: answering({ user: userCertificate() }),
  });
  failed(conversation, 'no-answer-auth', /^no answer to IKE_AUTH; some gateways fall silent, too, that have no certificate/);
});

test('the helper refuses to sign: own-key-failed, and nothing was sent', () => {
  const conversation = meet({
    client: { auth: { local: [byCertificate(userCertificate())], gateway: byCertificateOfGateway } },
    office: { certificate: officeCertificate(), users: [{ identity: alice, proofs: ['certificate'] }] },
    answer: answering(),
  });
  failed(conversation, 'own-key-failed', /no key/);
  assert.equal(authOf(conversation, 'IKE_AUTH request').length, 0);
});

test('a revoked gateway is left after its AUTH, and told', () => {
  const failure = { code: 'gateway-cert-revoked', evidence: 'keyCompromise' } as const;
  const conversation = meet({
    client: { auth: { local: [byKey], gateway: byCertificateOfGateway } },
    office: { certificate: officeCertificate() },
    answer: answering({ revocation: { kind: 'refused', failure } }),
  });
  failed(conversation, 'gateway-cert-revoked', /keyCompromise/);
});

test('a key where a certificate was agreed, and the other way round', () => {
  const keyed = meet({
    client: { auth: { local: [byKey], gateway: byCertificateOfGateway } },
    answer: answering(),
  });
  failed(keyed, 'auth-method-mismatch', /SHARED_KEY/);
  const certified = meet({
    client: { auth: pskBothWays(SECRET) },
    office: { certificate: officeCertificate() },
    answer: answering(),
  });
  failed(certified, 'auth-method-mismatch', /DIGITAL_SIGNATURE/);
});

test('a gateway that calls itself by the subject of its certificate, as Windows does, is held against the name by the certificate', () => {
  const subject = identity('CN=vpn.office.test');
  const auth = { local: [byKey], gateway: byCertificateOfGateway } as const;
  const scene = (certificate = officeCertificate()) => ({
    client: { auth },
    office: { certificate, identity: subject },
    answer: answering(),
  });
  const conversation = meet(scene());
  agreed(conversation);
  assert.equal(conversation.outputs('established')[0]?.sa.remoteIdentity, 'CN=vpn.office.test');
  failed(meet(scene(officeCertificate('p256', { san: ['dns:mail.office.test'] }))), 'gateway-wrong-name');
  // By a key there is no certificate to hold against anything, and another name than a DN is another gateway.
  failed(meet({ office: { identity: subject } }), 'gateway-identity');
  failed(
    meet({ ...scene(), office: { certificate: officeCertificate(), identity: identity('other.office.test') } }),
    'gateway-identity',
  );
  failed(meet({ ...scene(), client: { auth, remoteIdentity: identity('CN=other') } }), 'gateway-identity');
});

test('own certificates that fit into no datagram are not sent', () => {
  const user = userCertificate();
  const conversation = meet({
    client: {
      auth: {
        local: [{ ...byCertificate(user), certificates: [user.der, new Uint8Array(50_000)] }],
        gateway: byCertificateOfGateway,
      },
    },
    office: { certificate: officeCertificate() },
    answer: answering({ user }),
  });
  failed(conversation, 'own-key-failed', /octets/);
});

// RFC 7296 §2.15: RestOfRespIDPayload = IDType | RESERVED | RespIDData. A receiver ignores what RESERVED says, and has to sign it.
const reservedSet = { ...identity('vpn.office.test'), reserved: 0x01_02_03 };

test('octets that are reserved in IDr are covered by AUTH as they were sent: pre-shared key', () => {
  agreed(meet({ office: { identity: reservedSet } }));
});

test('the same: certificate', () => {
  const conversation = meet({
    client: { auth: { local: [byKey], gateway: byCertificateOfGateway } },
    office: { identity: reservedSet, certificate: officeCertificate() },
    answer: answering(),
  });
  agreed(conversation);
});
