/**
 * The responder's side of IKE_AUTH (RFC 7296 §1.2, §2.16; RFC 4739; RFC 5998) as a generator: it is given the payloads of each request
 * and yields those of the answer, until the client has proven who it is or is refused. A CHILD SA that cannot be made does not end the
 * IKE SA (§1.2, §2.21.2).
 */
import { equalBytes } from '../../core/bytes/bytes.ts';
import type { MixedKeys } from '../../core/ike/auth/ppk.ts';
import { pskAuth, verifyPskAuth } from '../../core/ike/auth/psk.ts';
import { familyNotifies } from '../../core/ike/exchanges/families.ts';
import { resumedAuthPayload, resumedAuthValue } from '../../core/ike/exchanges/resumedAuth.ts';
import { makeIdentity, sameIdentity } from '../../core/ike/identity.ts';
import type { Identity } from '../../core/ike/sa/contract.ts';
import { AUTH_METHOD, NOTIFY, PAYLOAD } from '../../core/ike/wire/constants.ts';
import type { Payload } from '../../core/ike/wire/message.ts';
import { isEapMessage } from '../../core/ike/wire/parse.ts';
import { findNotify, findPayload, notify } from '../../core/ike/wire/payloads.ts';
import type { HeadOfficeUser } from './config.ts';
import type { Lease } from './configReply.ts';
import type { TlsAnswer, TlsAsk } from './eap/serverMethod.ts';
import { type ChildRequest, childRequestOf, makeChild, type NegotiatedChild } from './firstChild.ts';
import { mobikePayloads } from './mobike.ts';
import { judgePpk, type PpkVerdict } from './ppk.ts';
import { clientProblem, officeProof, signedByClient, signedByOffice } from './proof.ts';
import { redirectPayload } from './redirect.ts';
import type { SaServices } from './sa.ts';
import type { HalfOpen } from './saInit.ts';
import { type ResumedState, standingPayloads } from './standing.ts';

/** The peer has proven who it is; `childRefusal` says why there is no CHILD SA when there is none. */
export interface Authenticated {
  readonly kind: 'authenticated';
  readonly payloads: readonly Payload[];
  readonly identity: Identity;
  readonly ownIdentity: Identity;
  readonly initialContact: boolean;
  /** The IKE SA whose ticket brought the client here (RFC 5723 §4.3.4), by its responder SPI. */
  readonly replaces?: string;
  /** Client and office do MOBIKE. */
  readonly mobile?: boolean;
  /** What a PPK made of the keys. */
  readonly mixed?: MixedKeys;
  readonly childRefusal?: string;
  readonly child?: NegotiatedChild;
  /** Addresses without a CHILD SA. */
  readonly lease?: Lease;
}

export type AuthVerdict =
  | Authenticated
  /** The IKE SA ends with this answer. */
  | { readonly kind: 'refused'; readonly why: string; readonly payloads: readonly Payload[] };

type Refused = Extract<AuthVerdict, { kind: 'refused' }>;

/** The answer to the request in hand, wanting the next request; or what has to be asked before there is one (TLS inside EAP). */
export type RoundStep =
  | { readonly kind: 'reply'; readonly payloads: readonly Payload[] }
  | { readonly kind: 'ask'; readonly ask: TlsAsk };

export type RoundInput =
  | { readonly kind: 'request'; readonly payloads: readonly Payload[] }
  | { readonly kind: 'answer'; readonly answer: TlsAnswer };

type Rounds<T> = Generator<RoundStep, T, RoundInput>;
export type AuthRounds = Rounds<AuthVerdict>;

/** `request` are the payloads of a genuine request, sifted by the rule table; `spiIn` is fresh. */
export function answerIkeAuth(half: HalfOpen, request: readonly Payload[], spiIn: number, services: SaServices): AuthRounds {
  return new ClientAuth(half, request, services).run(spiIn);
}

class ClientAuth {
  #half: HalfOpen;
  #mixed: MixedKeys | undefined;
  #judgedPpk = false;
  readonly #services: SaServices;
  readonly #first: readonly Payload[];
  readonly #ownIdentity: Identity;
  #round = 0;

  constructor(half: HalfOpen, first: readonly Payload[], services: SaServices) {
    this.#half = half;
    this.#first = first;
    this.#services = services;
    let identity = services.config.identity;
    for (const hooks of services.hooks) if (hooks.identity) identity = hooks.identity(identity);
    this.#ownIdentity = identity;
  }

  *run(spiIn: number): AuthRounds {
    const child = childRequestOf(this.#first, this.#services.config.childless);
    const idI = findPayload(this.#first, 'IDi');
    if (!child || !idI) return syntax('payloads are missing');
    const identity = makeIdentity(idI.idType, idI.data);
    if (this.#half.resumed) return this.#resumed(this.#half.resumed, identity, child, spiIn);
    const user = this.#userOf(identity);
    // RFC 7296 §2.21.2: one answer for an unknown name and for a wrong key.
    if (user === undefined) return refuse('unknown identity');
    const proofs = user.proofs ?? ['psk'];
    // RFC 8784 §3: with EAP the PPK is named later, with the client's AUTH, and the office's first AUTH is without it.
    let ppk = proofs[0] === 'eap' ? undefined : this.#judgePpk(this.#first, user);
    if (ppk?.kind === 'refused') return refuse(ppk.why);
    const ours = officeProof(this.#half, this.#first, this.#ownIdentity, user, this.#services);
    if (ours === undefined) return refuse('nothing to prove the office with');
    const own: readonly Payload[] = [idr(this.#ownIdentity), ...ours, ...this.#usesPpk()];
    const { redirect } = this.#services.config;
    if (redirect?.at === 'auth-first' && this.#half.redirectable)
      return { kind: 'refused', why: 'redirected', payloads: this.#changed([...own, redirectPayload(redirect.to)]) };
    let request = this.#first;
    /** What the answer to the request in hand has to hold besides. */
    let pending: readonly Payload[] = own;
    for (const [at, proof] of proofs.entries()) {
      const last = at === proofs.length - 1;
      const auth = ppk ? ppk.auth : findPayload(request, 'AUTH');
      ppk = undefined;
      if (proof === 'eap') {
        if (auth) return refuse('AUTH where EAP was due');
        const done = yield* this.#eap(user, this.#eapOpening(own, pending));
        if ('kind' in done) return done;
        pending = done.answer;
        request = done.request;
      } else {
        if (!auth) return refuse('no AUTH');
        const problem = clientProblem(this.#half, request, auth, user, proof, this.#services);
        if (problem !== undefined) return refuse(problem);
      }
      const more = findNotify(request, NOTIFY.ANOTHER_AUTH_FOLLOWS) !== undefined;
      if (more === last) return refuse(more ? 'one authentication too many' : 'another authentication was due');
      if (last) break;
      // RFC 4739 §2.1: the next request starts the next authentication.
      request = yield* this.#reply(pending);
      pending = [];
      if (!findPayload(request, 'IDi')) return syntax('no IDi in the second authentication');
    }
    return this.#established(user, child, pending, spiIn);
  }

  /** RFC 5723 §4.3.3: who both are was proven before; the keys prove that they are the same. */
  #resumed(ticket: ResumedState, claimed: Identity, child: ChildRequest, spiIn: number): AuthVerdict {
    const auth = findPayload(this.#first, 'AUTH');
    const expected = resumedAuthValue(signedByClient(this.#half, ticket.user));
    if (!sameIdentity(claimed, ticket.user) || !auth || !equalBytes(auth.data, expected)) return refuse('not who had the ticket');
    this.#services.ticketStore.use(ticket.reference);
    const own = ticket.office;
    const proof: readonly Payload[] = [idr(own), resumedAuthPayload(signedByOffice(this.#half, own))];
    return { ...this.#established({ identity: ticket.user }, child, proof, spiIn), replaces: ticket.of };
  }

  /** RFC 5998 §3: what EAP alone is to prove is left out. */
  #eapOpening(own: readonly Payload[], pending: readonly Payload[]): readonly Payload[] {
    const alone = this.#services.config.eapOnly === true && findNotify(this.#first, NOTIFY.EAP_ONLY_AUTHENTICATION);
    return alone && pending === own ? own.filter(({ kind }) => kind === 'IDr') : pending;
  }

  /** RFC 7296 §2.16: until EAP is over and the client has shown that it has the key. */
  *#eap(
    user: HeadOfficeUser,
    opening: readonly Payload[],
  ): Rounds<Refused | { readonly request: readonly Payload[]; readonly answer: readonly Payload[] }> {
    const { config, hooks } = this.#services;
    const server = config.eap?.(user.identity, hooks.find(({ eapServer }) => eapServer)?.eapServer);
    if (server === undefined) return refuse('no EAP here');
    let beside = opening;
    let rounds = 0;
    server.start();
    for (;;) {
      const step = server.poll();
      if (!step) throw new Error('the EAP server has nothing to say');
      if (step.kind === 'ask') {
        const input: RoundInput = yield { kind: 'ask', ask: step.ask };
        if (input.kind !== 'answer') throw new Error('a request where an answer was due');
        server.answer(input.answer);
        continue;
      }
      let packet = step.packet;
      for (const { eap } of hooks) if (eap) packet = eap(packet, rounds);
      rounds++;
      const request = yield* this.#reply([...beside, eapPayload(packet)]);
      beside = [];
      if (step.kind === 'failure') return refuse('EAP failed');
      if (step.kind === 'success') return this.#eapKey(user, step.msk, request);
      const response = findPayload(request, 'EAP');
      if (!response) return syntax('no EAP payload');
      config.heard?.(response.message);
      server.handle(response.message.slice());
    }
  }

  #eapKey(user: HeadOfficeUser, msk: Uint8Array | undefined, request: readonly Payload[]) {
    const ppk = this.#judgedPpk ? undefined : this.#judgePpk(request, user);
    if (ppk?.kind === 'refused') return refuse(ppk.why);
    const auth = ppk ? ppk.auth : findPayload(request, 'AUTH');
    const half = this.#half;
    let key = msk;
    for (const hooks of this.#services.hooks) if (hooks.eapKey) key = hooks.eapKey(key, this.#services.random);
    const parts = signedByClient(half, user.identity);
    // Misbehaviours change the office's own AUTH, not what it takes.
    if (!auth || !verifyPskAuth(msk ?? half.keys.pi, parts, auth.data)) return refuse('AUTH by the key of EAP does not verify');
    const data = pskAuth(key ?? half.keys.pr, signedByOffice(half, this.#ownIdentity));
    const proof: Payload = { kind: 'AUTH', method: AUTH_METHOD.SHARED_KEY, data };
    return { request, answer: [proof, ...(ppk ? this.#usesPpk() : [])] };
  }

  /** Of the request with the client's first AUTH; from now on the keys are those it says. */
  #judgePpk(request: readonly Payload[], user: HeadOfficeUser): PpkVerdict {
    this.#judgedPpk = true;
    const verdict = judgePpk(this.#half, request, user);
    if (verdict.kind !== 'used') return verdict;
    this.#mixed = verdict.keys;
    this.#half = { ...this.#half, keys: { ...this.#half.keys, ...verdict.keys } };
    return verdict;
  }

  #usesPpk(): readonly Payload[] {
    return this.#mixed ? [notify(NOTIFY.PPK_IDENTITY)] : [];
  }

  #established(user: HeadOfficeUser, request: ChildRequest, proof: readonly Payload[], spiIn: number): Authenticated {
    const { redirect } = this.#services.config;
    if (redirect?.at === 'auth-last' && this.#half.redirectable) {
      const payloads = this.#changed([...proof, redirectPayload(redirect.to)]);
      const standing = { identity: user.identity, ownIdentity: this.#ownIdentity, initialContact: false };
      return { kind: 'authenticated', payloads, ...standing, childRefusal: 'redirected' };
    }
    const made = makeChild(this.#half, request, user.identity.text, spiIn, this.#services);
    const mobile = mobikePayloads(this.#first, this.#services.config.mobike);
    const half = { ...this.#half, keys: { ...this.#half.keys, ...this.#mixed } };
    const standing = [...standingPayloads(half, this.#first, user.identity, this.#services), ...mobile];
    const payloads = this.#changed([
      ...proof,
      ...standing,
      ...(made.ok ? made.payloads : [notify(made.notify)]),
      ...this.#families(request),
    ]);
    const common = {
      kind: 'authenticated',
      payloads,
      identity: user.identity,
      ownIdentity: this.#ownIdentity,
      ...(this.#mixed && { mixed: this.#mixed }),
      initialContact: findNotify(this.#first, NOTIFY.INITIAL_CONTACT) !== undefined,
      mobile: mobile.length > 0,
    } as const;
    if (!made.ok) return { ...common, childRefusal: made.why };
    if (made.child === undefined) return { ...common, lease: made.lease };
    if (findPayload(payloads, 'SA') !== undefined) return { ...common, child: made.child };
    const { lease } = made.child;
    if (findPayload(payloads, 'CP') !== undefined) return { ...common, lease, childRefusal: 'told to postpone' };
    lease.release();
    return { ...common, childRefusal: 'told to misbehave' };
  }

  /** RFC 8983 §5. */
  #families({ cp }: ChildRequest): readonly Payload[] {
    const { pool, families } = this.#services.config;
    if (cp === undefined || families === false) return [];
    return familyNotifies({ ipv4: pool.ipv4 !== undefined, ipv6: pool.ipv6 !== undefined });
  }

  *#reply(honest: readonly Payload[]): Rounds<readonly Payload[]> {
    const input = yield { kind: 'reply', payloads: this.#changed(honest) };
    if (input.kind !== 'request') throw new Error('an answer where a request was due');
    return input.payloads;
  }

  #changed(honest: readonly Payload[]): readonly Payload[] {
    const { random, config, hooks } = this.#services;
    const resumed = this.#half.resumed !== undefined;
    const context = { random, config, request: this.#first, round: this.#round++, resumed };
    let payloads = honest;
    for (const { authAnswer } of hooks) if (authAnswer) payloads = authAnswer(payloads, context);
    return config.changeAuth?.(payloads) ?? payloads;
  }

  #userOf(identity: Identity): HeadOfficeUser | undefined {
    const known = this.#services.config.users.find((one) => sameIdentity(one.identity, identity));
    if (known) return known;
    // With EAP the name in IDi need not be the user's (RFC 7296 §2.16): EAP itself asks for it.
    const anybody = this.#services.config.eap !== undefined && !findPayload(this.#first, 'AUTH');
    return anybody ? { identity, proofs: ['eap'] } : undefined;
  }
}

function idr({ type, data, reserved }: Identity): Payload {
  return { kind: 'IDr', idType: type, data, ...(reserved !== undefined && { reserved }) };
}

/** Octets that our encoder would refuse go out as they are. */
function eapPayload(packet: Uint8Array): Payload {
  if (isEapMessage(packet)) return { kind: 'EAP', message: packet };
  return { kind: 'unknown', type: PAYLOAD.EAP, critical: false, body: packet };
}

function refuse(why: string): Refused {
  return { kind: 'refused', why, payloads: [notify(NOTIFY.AUTHENTICATION_FAILED)] };
}

function syntax(why: string): Refused {
  return { kind: 'refused', why, payloads: [notify(NOTIFY.INVALID_SYNTAX)] };
}
