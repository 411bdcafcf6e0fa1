/**
 * IKE_AUTH as the initiator (RFC 7296 §1.2, §2.15, §2.16; RFC 4739; RFC 5998), from the first request to the last response. The order
 * never changes (SECURITY.md 3): our key or certificate goes with the first request, then error → identity → certificates and name →
 * AUTH → revocation of the gateway, and only then EAP; the CHILD SA is the last thing to be looked at.
 */
import { equalConstantTime } from '../../bytes/bytes.ts';
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import type { SignatureAlgorithm } from '../../crypto/signatureTypes.ts';
import type { Random } from '../../crypto/types.ts';
import { certificatePayloads, certificateRequests, readCertificates } from '../auth/certificates.ts';
import type { LocalAuth } from '../auth/contract.ts';
import { type MixedKeys, PpkOffer } from '../auth/ppk.ts';
import { pskAuth, type SignedParts, signedOctets, verifyPskAuth } from '../auth/psk.ts';
import { chooseSignature, signatureFailure, signatureMismatch } from '../auth/signature.ts';
import {
  algorithmText,
  type TakenMethod,
  takenMethodsNotify,
  takenOf,
  takenText,
  takesMethod,
  takesSignature,
} from '../auth/takenMethods.ts';
import { makeIdentity, sameIdentity } from '../identity.ts';
import { wipe } from '../keys/ikeKeys.ts';
import type { Identity, IkeFailure, IkeTicket } from '../sa/contract.ts';
import { AUTH_METHOD, ID, NOTIFY, nameOf } from '../wire/constants.ts';
import type { Payload, PayloadOf } from '../wire/message.ts';
import { allPayloads, findNotify, findPayload, notify } from '../wire/payloads.ts';
import { type AuthSteps, askOf, exchange } from './authSteps.ts';
import { type AuthLog, eapRounds } from './eapRounds.ts';
import { FirstChildRequest, type FirstChildSetup } from './firstChild.ts';
import {
  disbelieved,
  errorOf,
  type IkeAuthVerdict,
  inAuth,
  isRefusal,
  malformed,
  refusal,
  refused,
  type Stop,
} from './ikeAuthErrors.ts';
import { redirectIn } from './redirect.ts';
import { resumedAuth } from './resumedAuth.ts';

/** A message of certificates fits into one UDP datagram with all that is beside them. */
const MAX_OWN_OCTETS = 48 * 1024;

export interface IkeAuthSetup extends FirstChildSetup {
  /** The two IKE_SA_INIT messages as they were on the wire. */
  readonly saInitRequest: Uint8Array;
  readonly saInitResponse: Uint8Array;
  /** What the gateway said in IKE_SA_INIT: hashes for signatures (RFC 7427 §4), and that it takes several authentications (RFC 4739). */
  readonly hashes: ReadonlySet<number> | undefined;
  readonly multipleAuth: boolean;
  /** How it lets us prove ourselves, where it says so (RFC 9593). */
  readonly taken?: readonly TakenMethod[] | undefined;
  /** Of the IKE_INTERMEDIATE exchanges, if there were any (RFC 9242 §3.3.2). */
  readonly intAuth: Uint8Array | undefined;
  /** Both sides sent USE_PPK. */
  readonly usePpk: boolean;
  /** Both know IKE_INTERMEDIATE. */
  readonly mayIntermediate: boolean;
  /** Of its CERTREQ. */
  readonly authorities: readonly Uint8Array[];
  /** By which the keys were made, where IKE_SA_INIT was IKE_SESSION_RESUME. */
  readonly ticket?: IkeTicket | undefined;
  readonly log: AuthLog;
}

export class IkeAuthExchange {
  readonly #setup: IkeAuthSetup;
  readonly #random: Random;
  readonly #child: FirstChildRequest;
  readonly #ppk: PpkOffer;
  /** What we signed with last. */
  #signature: SignatureAlgorithm | undefined;

  constructor(setup: IkeAuthSetup, random: Random) {
    this.#setup = setup;
    this.#ppk = new PpkOffer(setup.suite.prf, setup.keys, setup.usePpk ? setup.config.auth.ppk : undefined);
    this.#random = random;
    this.#child = new FirstChildRequest(setup, random);
  }

  *run(): AuthSteps<IkeAuthVerdict> {
    const { ticket } = this.#setup;
    if (ticket) return yield* resumedAuth(this.#setup, ticket, this.#random);
    const verdict = yield* this.#authenticate();
    const skD = this.#ppk.finish();
    if (verdict.kind === 'authenticated') return { ...verdict, skD };
    if (skD) wipe(skD);
    return verdict;
  }

  *#authenticate(): AuthSteps<IkeAuthVerdict> {
    const { config, log } = this.#setup;
    const { local } = config.auth;
    const opening = yield* this.#opening();
    if (!opening.ok) return opening.error;
    const first = yield* exchange(opening.value);
    let response = first;
    const gateway = yield* this.#judgeGateway(response);
    if (!gateway.ok) return gateway.error;
    // RFC 5685 §6: only in the first or the last response, and only from a gateway that has proven itself by then.
    const moved = findPayload(first, 'AUTH') && redirectIn(first, config, log);
    if (moved) return { kind: 'redirected', failure: moved, standing: local.length === 1 && local[0]?.method !== 'eap' };
    for (const [round, method] of local.entries()) {
      if (round > 0) {
        const next = yield* this.#nextRound(method, round);
        if (!next.ok) return next.error;
        response = yield* exchange(next.value);
        const problem = this.#roundFailure(response, method);
        if (problem) return problem;
      }
      if (method.method !== 'eap') continue;
      const proven = yield* this.#eap(method, response, gateway.value, round);
      if (!proven.ok) return proven.error;
      response = proven.value;
    }
    const failure = response === first ? undefined : redirectIn(response, config, log);
    if (failure) return { kind: 'redirected', failure, standing: true };
    const error = errorOf(response);
    // RFC 7296 §2.21.2: errors of the CHILD SA and the configuration do not touch the authentication.
    const child = this.#child.outcome(response, error, this.#ppk.theirs.d);
    const { isUsed } = this.#ppk;
    if (this.#setup.usePpk) log('info', isUsed ? 'the post-quantum preshared key is used' : 'the gateway does without the PPK');
    return { kind: 'authenticated', identity: gateway.value, child, notifies: allPayloads(response, 'N') };
  }

  // Our side.

  /** IDi, [CERT+], [CERTREQ+], [IDr], [AUTH], and what the CHILD SA is to be (RFC 7296 §1.2). */
  *#opening(): AuthSteps<Result<readonly Payload[], Stop>> {
    const { config, multipleAuth, taken } = this.#setup;
    const { remoteIdentity, auth } = config;
    const [first, ...more] = auth.local;
    if (!first) throw new RangeError('no authentication is configured');
    if (more.length > 0 && !multipleAuth)
      return err(refused({ code: 'auth-method-mismatch', evidence: 'no MULTIPLE_AUTH_SUPPORTED in IKE_SA_INIT response' }));
    const proof = yield* this.#prove(first, 0);
    if (!proof.ok) return proof;
    const { gateway } = auth;
    return ok([
      this.#idi(),
      ...proof.value.filter(({ kind }) => kind === 'CERT'),
      ...(gateway.method === 'psk' ? [] : certificateRequests(gateway.authorities, gateway.ocsp === true)),
      // RFC 7296 §1.2: which of its identities the gateway is to use.
      ...(remoteIdentity ? [{ kind: 'IDr', idType: remoteIdentity.type, data: remoteIdentity.data } as const] : []),
      ...proof.value.filter(({ kind }) => kind !== 'CERT'),
      ...this.#child.payloads(),
      // RFC 9593 §3.1: to who knows the notify. What EAP alone proves has no number.
      ...(taken && gateway.method !== 'eap-only' ? [takenMethodsNotify(takenOf(gateway))] : []),
      // RFC 4555 §3.2: in the message that has the SA payload.
      ...(config.mobike ? [notify(NOTIFY.MOBIKE_SUPPORTED)] : []),
      ...(gateway.method === 'eap-only' ? [notify(NOTIFY.EAP_ONLY_AUTHENTICATION)] : []),
      ...(more.length > 0 ? [notify(NOTIFY.MULTIPLE_AUTH_SUPPORTED)] : []),
      // RFC 4739 §3.2: beside an AUTH payload, so for EAP it goes with the one that ends it.
      ...(more.length > 0 && first.method !== 'eap' ? [notify(NOTIFY.ANOTHER_AUTH_FOLLOWS)] : []),
      // RFC 5723 §4.2: in the first request, for a ticket in the last answer.
      ...(config.resumption ? [notify(NOTIFY.TICKET_REQUEST)] : []),
      // RFC 7296 §2.4: in the first request if at all.
      ...(config.initialContact ? [notify(NOTIFY.INITIAL_CONTACT)] : []),
    ]);
  }

  /** RFC 4739 §2.1: another IDi starts the next authentication. */
  *#nextRound(method: LocalAuth, round: number): AuthSteps<Result<readonly Payload[], Stop>> {
    const proof = yield* this.#prove(method, round);
    return proof.ok ? ok([this.#idi(), ...proof.value]) : proof;
  }

  /** What proves who we are in this round: AUTH, with certificates in front where it is a signature; nothing for EAP. */
  *#prove(method: LocalAuth, round: number): AuthSteps<Result<readonly Payload[], Stop>> {
    if (method.method === 'eap') return ok([]);
    const proof = yield* this.#proveBy(method, round, this.#ppk.ours.pi);
    if (!proof.ok) return proof;
    const plain = this.#ppk.wantsPlainAuth ? yield* this.#proveBy(method, round, this.#ppk.plain.pi) : undefined;
    if (plain?.ok === false) return plain;
    return ok([...proof.value, ...this.#ppk.name(plain && findPayload(plain.value, 'AUTH')?.data)]);
  }

  *#proveBy(
    method: Exclude<LocalAuth, { method: 'eap' }>,
    round: number,
    skPi: Uint8Array,
  ): AuthSteps<Result<readonly Payload[], Stop>> {
    const parts = this.#signedByUs(skPi);
    if (method.method === 'psk')
      return ok([{ kind: 'AUTH', method: AUTH_METHOD.SHARED_KEY, data: pskAuth(method.secret, parts) }]);
    const { hashes, authorities, taken } = this.#setup;
    const chosen = chooseSignature(method.algorithms, hashes, taken);
    if (!chosen) return err(refused({ code: 'auth-method-mismatch', evidence: signatureMismatch(method.algorithms, hashes) }));
    this.#setup.log('debug', `signing by ${algorithmText(chosen.algorithm)}`);
    const { algorithm } = chosen;
    this.#signature = algorithm;
    const ask = { kind: 'sign', round, algorithm, octets: signedOctets(parts), authorities } as const;
    const answer = yield* askOf(ask, 'sign');
    if (answer.kind === 'refused') return err(refused(answer.failure));
    const certificates = answer.certificates ?? method.certificates;
    const octets = certificates.reduce((sum, one) => sum + one.length, 0);
    if (octets > MAX_OWN_OCTETS) return err(ownKey(`own certificates of ${octets} octets`));
    return ok([...certificatePayloads(certificates), chosen.payload(answer.signature)]);
  }

  *#eap(
    { eap }: Extract<LocalAuth, { method: 'eap' }>,
    opening: readonly Payload[],
    gateway: Identity,
    round: number,
  ): AuthSteps<Result<readonly Payload[], Stop>> {
    const { config, log } = this.#setup;
    const { auth } = config;
    const done = yield* eapRounds(eap, this.#random, opening, log);
    if (!done.ok) return done;
    const { key, mutual, method } = done.value;
    log('info', `EAP finished by ${method}${key ? '' : ', which makes no key'}`);
    // RFC 5998 §3: SK_pi and SK_pr must not be used, for then nothing at all would prove the gateway.
    if (auth.gateway.method === 'eap-only' && (!key || !mutual))
      return err(disbelieved({ code: 'eap-server-unproven', evidence: `${method} proves no gateway, and EAP alone was agreed` }));
    // RFC 7296 §2.16: by the MSK, or by SK_pi and SK_pr where there is none.
    const authBy = ({ pi }: MixedKeys) => pskAuth(key ?? pi, this.#signedByUs(pi));
    const data = authBy(this.#ppk.ours);
    const plain = this.#ppk.wantsPlainAuth ? authBy(this.#ppk.plain) : undefined;
    const more = round + 1 < auth.local.length;
    const response = yield* exchange([
      { kind: 'AUTH', method: AUTH_METHOD.SHARED_KEY, data },
      ...this.#ppk.name(plain),
      ...(more ? [notify(NOTIFY.ANOTHER_AUTH_FOLLOWS)] : []),
    ]);
    const problem = this.#lastEapFailure(response, ({ pr }) => pskAuth(key ?? pr, this.#signedByGateway(gateway, pr)));
    if (key) wipe(key);
    return problem ? err(problem) : ok(response);
  }

  /** RFC 7296 §2.16: the gateway proves that it has the key too, in the message after Success. */
  #lastEapFailure(response: readonly Payload[], expected: (keys: MixedKeys) => Uint8Array): Stop | undefined {
    const auth = findPayload(response, 'AUTH');
    const error = errorOf(response);
    if (error !== undefined && (!auth || isRefusal(error))) return refused(refusal(error, 'authentication-failed'));
    if (!auth) return malformed('no AUTH payload');
    if (auth.method !== AUTH_METHOD.SHARED_KEY) return mismatch(`AUTH method ${nameOf(AUTH_METHOD, auth.method)} after EAP`);
    if (!this.#ppk.settle(response)) return noPpk();
    if (!equalConstantTime(expected(this.#ppk.theirs), auth.data))
      return disbelieved({ code: 'gateway-authentication-failed', evidence: inAuth('AUTH by the key of EAP does not verify') });
    return another(response);
  }

  /** What is wrong with the answer to the IDi of a further round. */
  #roundFailure(response: readonly Payload[], { method }: LocalAuth): Stop | undefined {
    const error = errorOf(response);
    // For EAP the rounds themselves look; a signature or a key may be followed by an error of the CHILD SA.
    if (error !== undefined && method !== 'eap' && isRefusal(error)) return refused(this.#refusal(error, method));
    return this.#ppk.settle(response) ? another(response) : noPpk();
  }

  /**
   * RFC 9593: a gateway that says what it takes says why it refuses. Of the others nobody knows (RFC 7296 §2.21.2: nothing beside the notify), be
   * it that they have no such user or are not who they were asked to be, so that is told with it.
   */
  #refusal(error: number, method: LocalAuth['method']): IkeFailure {
    const failure = refusal(error, refusedCode(method));
    if (failure.code !== refusedCode(method)) return failure;
    const { taken, hashes, config } = this.#setup;
    const { localIdentity, remoteIdentity } = config;
    const names = [`IDi ${localIdentity.text}`, ...(remoteIdentity ? [`IDr ${remoteIdentity.text}`] : [])].join(' and ');
    const told = { ...failure, evidence: `${failure.evidence} to ${names}${this.#besides()}` };
    if (!taken || method === 'eap') return told;
    const signature = method === 'certificate' ? this.#signature : undefined;
    const fits = signature
      ? // Without hashes it knows the older methods alone, and those are what we used.
        !hashes || takesSignature(taken, signature)
      : takesMethod(taken, AUTH_METHOD.SHARED_KEY);
    if (fits) return told;
    const ours = signature ? algorithmText(signature) : 'SHARED_KEY';
    return { code: 'auth-method-mismatch', evidence: `${failure.evidence}: it takes ${takenText(taken)}, and we have ${ours}` };
  }

  /** What else may have made AUTH another one. */
  #besides(): string {
    const { usePpk, mayIntermediate, intAuth } = this.#setup;
    // RFC 9242 §3.3.2 is about exchanges that took place. With `intermediate=yes` Libreswan 4.10 adds its part to AUTH where none did.
    const unused = mayIntermediate && !intAuth;
    return `${usePpk ? ', with a post-quantum key' : ''}${unused ? ', and without the IKE_INTERMEDIATE that both announced' : ''}`;
  }

  // The gateway's side.

  /** Undefined proof is possible for EAP alone; then the identity is only what the gateway says, until its AUTH after EAP. */
  *#judgeGateway(payloads: readonly Payload[]): AuthSteps<Result<Identity, Stop>> {
    const { config } = this.#setup;
    const [first] = config.auth.local;
    const idr = findPayload(payloads, 'IDr');
    const auth = findPayload(payloads, 'AUTH');
    const eap = findPayload(payloads, 'EAP');
    const error = errorOf(payloads);
    if (error !== undefined && (!auth || !idr || isRefusal(error)))
      return err(refused(this.#refusal(error, first?.method ?? 'psk')));
    if (!idr) return err(malformed('no IDr payload'));
    const identity = makeIdentity(idr.idType, idr.data, idr.reserved);
    const wanted = config.remoteIdentity;
    if (wanted && !sameIdentity(wanted, identity) && !(auth && this.#namedBySubject(identity)))
      return err(disbelieved({ code: 'gateway-identity', evidence: inAuth(`IDr is ${identity.text} and not ${wanted.text}`) }));
    if (!auth) {
      if (!eap || first?.method !== 'eap') return err(malformed('no AUTH payload'));
      // RFC 5998 §3: only where it was asked for. SECURITY.md 4.
      if (config.auth.gateway.method === 'eap-only') return ok(identity);
      return err(disbelieved({ code: 'eap-before-gateway', evidence: inAuth('EAP and no AUTH') }));
    }
    const problem = yield* this.#disbelief(payloads, auth, identity);
    if (problem) return err(problem);
    const more = another(payloads);
    return more ? err(more) : ok(identity);
  }

  /**
   * Windows sends the subject of its certificate as IDr, whatever it was asked for. Where a certificate is demanded that is no loss: it is
   * the certificate that is held against the wanted name (RFC 4945 §3.1 leaves the binding to policy), and AUTH covers the rest.
   */
  #namedBySubject({ type }: Identity): boolean {
    const { auth, remoteIdentity } = this.#setup.config;
    const byName = remoteIdentity !== undefined && namesInCertificates.has(remoteIdentity.type);
    return auth.gateway.method !== 'psk' && type === ID.DER_ASN1_DN && byName;
  }

  *#disbelief(payloads: readonly Payload[], auth: PayloadOf<'AUTH'>, identity: Identity): AuthSteps<Stop | undefined> {
    const { gateway } = this.#setup.config.auth;
    if (!this.#ppk.settle(payloads)) return noPpk();
    const parts = this.#signedByGateway(identity, this.#ppk.theirs.pr);
    const shared = auth.method === AUTH_METHOD.SHARED_KEY;
    // RFC 7296 §2.15: the methods of the two sides may differ, but what the profile does not say is not taken.
    if (shared !== (gateway.method === 'psk')) return mismatch(`AUTH method ${nameOf(AUTH_METHOD, auth.method)}`);
    if (gateway.method === 'psk') {
      if (verifyPskAuth(gateway.secret, parts, auth.data)) return undefined;
      return disbelieved({ code: 'gateway-authentication-failed', evidence: inAuth('AUTH does not verify') });
    }
    const sent = readCertificates(payloads);
    if (!sent.ok) return disbelieved({ code: 'gateway-cert-invalid', evidence: inAuth(sent.error) });
    const chain = yield* askOf({ kind: 'gateway-certificate', ...sent.value, identity }, 'gateway-certificate');
    if (chain.kind === 'refused') return disbelieved(chain.failure);
    const announced = this.#setup.hashes !== undefined;
    const failure = signatureFailure(auth, chain.publicKey, signedOctets(parts), announced);
    if (failure) return disbelieved({ ...failure, evidence: inAuth(failure.evidence) });
    // SECURITY.md 7: only now, that somebody of the chain is there, may addresses inside it be fetched from.
    const revocation = yield* askOf({ kind: 'gateway-revocation' }, 'gateway-revocation');
    return revocation.kind === 'refused' ? disbelieved(revocation.failure) : undefined;
  }

  #idi(): Payload {
    const { type, data } = this.#setup.config.localIdentity;
    return { kind: 'IDi', idType: type, data };
  }

  #signedByUs(skP: Uint8Array): SignedParts {
    const { suite, nonces, saInitRequest, config, intAuth } = this.#setup;
    const identity = config.localIdentity;
    return { prf: suite.prf, message: saInitRequest, peerNonce: nonces.nr, skP, identity, intAuth };
  }

  #signedByGateway(identity: Identity, skP: Uint8Array): SignedParts {
    const { suite, nonces, saInitResponse, intAuth } = this.#setup;
    return { prf: suite.prf, message: saInitResponse, peerNonce: nonces.ni, skP, identity, intAuth };
  }
}

/** Identities that a subjectAltName holds; nothing else proves a key id or another DN. */
const namesInCertificates: ReadonlySet<number> = new Set([ID.FQDN, ID.RFC822_ADDR, ID.IPV4_ADDR, ID.IPV6_ADDR]);

/** RFC 4739 §2.1 lets the gateway authenticate again as well; one proof is what a profile describes, so there is nothing to hold it to. */
function another(payloads: readonly Payload[]): Stop | undefined {
  if (!findNotify(payloads, NOTIFY.ANOTHER_AUTH_FOLLOWS)) return undefined;
  return mismatch('ANOTHER_AUTH_FOLLOWS');
}

function mismatch(what: string): Stop {
  return disbelieved({ code: 'auth-method-mismatch', evidence: inAuth(what) });
}

/** RFC 8784 §3: the gateway is told by AUTHENTICATION_FAILED. */
function noPpk(): Stop {
  return disbelieved({ code: 'ppk-refused', evidence: inAuth('no PPK_IDENTITY') });
}

function ownKey(evidence: string): Stop {
  return refused({ code: 'own-key-failed', evidence });
}

/** What AUTHENTICATION_FAILED means to who authenticates by this. */
function refusedCode(method: LocalAuth['method']): IkeFailure['code'] {
  return method === 'certificate' ? 'own-cert-refused' : 'authentication-failed';
}
