/**
 * The client's IKE SA: IKE_SA_INIT, IKE_AUTH, then an established `Session`. Sans-IO; see contract.ts for inputs and outputs.
 *
 *   const machine = createInitiator(config, { random, keyLog: false });   // the key pair is made here, before it is needed
 *   machine.handle({ kind: 'start' }, now);
 *
 * Phases: idle → sa-init (saInitPhase.ts) → auth, IKE_INTERMEDIATE included (authPhase.ts) → up (session.ts).
 */
import type { IkeAnswer } from '../auth/contract.ts';
import { withheldText } from '../exchanges/families.ts';
import { newChildSpi } from '../exchanges/firstChild.ts';
import type { IkeAuthVerdict } from '../exchanges/ikeAuthErrors.ts';
import { exchangeName } from '../exchanges/rules.ts';
import { firstSize } from '../fragment/size.ts';
import { wipe } from '../keys/ikeKeys.ts';
import { suiteText } from '../negotiation.ts';
import { selectorsText } from '../selectors.ts';
import { EXCHANGE, NOTIFY } from '../wire/constants.ts';
import type { Payload } from '../wire/message.ts';
import { parseMessage } from '../wire/parse.ts';
import { deleteIkeSa, findNotify } from '../wire/payloads.ts';
import { spiText } from '../wire/spi.ts';
import { factsOf, prove, wayOn } from './afterSaInit.ts';
import { AuthPhase } from './authPhase.ts';
import type { Selectors } from './childLife.ts';
import type { Identity, IkeConfig, IkeFailure, IkeInput, IkeMachine, IkeOutput, IkePorts, IkeSaFacts } from './contract.ts';
import type { IkeSa } from './ikeSa.ts';
import { Mobike, type Way } from './mobike.ts';
import { Narrator } from './narrator.ts';
import { hasty, isPresentable, Resuming } from './resuming.ts';
import { type Agreed, type Datagram, SaInitPhase } from './saInitPhase.ts';
import { Session } from './session.ts';
import { Standing } from './standing.ts';

/** Throws for a configuration that no message could be made of: a mistake of the program, found before anything is sent. */
export function createInitiator(config: IkeConfig, ports: IkePorts): IkeMachine {
  for (const { length } of [config.localSelectors, config.remoteSelectors])
    if (length < 1 || length > 255) throw new RangeError(`${length} traffic selectors`); // RFC 7296 §3.13: the count is one octet
  if (config.espProposals.length === 0) throw new RangeError('no ESP proposals');
  const { local, gateway } = config.auth;
  if (local.length < 1 || local.length > 2) throw new RangeError(`${local.length} authentications`);
  // RFC 5998 §3: what the gateway leaves out is proven by EAP, so EAP it must be.
  if (gateway.method === 'eap-only' && (local.length > 1 || local[0].method !== 'eap'))
    throw new RangeError('eap-only without EAP');
  const { ticket, ...resumption } = config.resumption ?? {};
  if (!ticket) return new Initiator(config, ports);
  return new Resuming({
    presentable: (now) => isPresentable(ticket, config, now),
    resume: () => new Initiator(hasty(config), ports),
    full: () => new Initiator({ ...config, resumption }, ports),
  });
}

/** How long a gateway is told that we do not believe it. Milliseconds. */
const COMPLAIN_WITHIN = 2000;
/** The same where it has no SA yet, as in the middle of EAP: most then ignore what is said, and the user waits. Milliseconds. */
const MENTION_WITHIN = 300;
/** How long a cancelled IKE_AUTH waits for its answer, and for that of the DELETE of the gateway's SA. Milliseconds. */
const CANCEL_WITHIN = 1000;
/** How long the gateway that sends us away is told goodbye. Milliseconds. */
const LEAVE_WITHIN = 1000;

class Initiator implements IkeMachine {
  readonly #config: IkeConfig;
  readonly #ports: IkePorts;
  readonly #out: IkeOutput[] = [];
  readonly #narrator: Narrator;
  readonly #saInit: SaInitPhase;
  #phase: 'idle' | 'sa-init' | 'auth' | 'up' = 'idle';
  #establishBy = 0;
  #auth: AuthPhase | undefined;
  #cancelBy: number | undefined;
  #session: Session | undefined;
  /** What the gateway may ask for in CHILD SAs of its own. */
  #admitted: Selectors | undefined;
  #standing: Standing | undefined;
  #mobike: Mobike | undefined;
  #now = 0;
  #closed = false;

  constructor(config: IkeConfig, ports: IkePorts) {
    this.#config = config;
    this.#ports = ports;
    const emit = (output: IkeOutput) => this.#emit(output);
    this.#narrator = new Narrator(emit);
    this.#saInit = new SaInitPhase(config, ports, {
      emit,
      narrator: this.#narrator,
      failed: (failure) => this.#close(failure),
      done: (agreed, now) => this.#authenticate(agreed, now),
    });
  }

  handle(input: IkeInput, now: number): void {
    this.#now = now;
    if (this.#closed) {
      if (input.kind === 'answer') discard(input.answer);
      return;
    }
    switch (input.kind) {
      case 'start':
        this.#start(now);
        return;
      case 'tick':
        this.#tick(now);
        return;
      case 'datagram':
        this.#datagram(input, now);
        return;
      case 'answer':
        this.#answer(input.id, input.answer, now);
        return;
      case 'reconnected':
        if (this.#phase === 'sa-init') this.#saInit.reconnected(now);
        else {
          this.#session?.reconnected(now);
          this.#mobike?.reconnected(now);
        }
        return;
      case 'paths':
        if (this.#phase === 'up') this.#mobike?.changed(input.paths, now);
        return;
      case 'inbound-traffic':
        this.#session?.alive(now);
        return;
      case 'check-liveness':
        this.#session?.checkLiveness(now, input.quick);
        return;
      case 'rekey-child':
        this.#session?.rekeyChild(input.spiIn, now);
        return;
      case 'rekey-ike':
        this.#session?.rekeyIke(now);
        return;
      case 'leave':
        this.#standing?.lookedUp(now);
        return;
      case 'limit':
        this.#session?.limit(input.spiIn, input.which, now);
        return;
      case 'terminate':
        this.#terminate(now);
        return;
    }
  }

  poll(): IkeOutput | undefined {
    return this.#out.shift();
  }

  deadline(): number | undefined {
    if (this.#closed || this.#phase === 'idle') return undefined;
    const dues = [this.#session?.deadline() ?? Infinity, this.#cancelBy ?? Infinity];
    if (this.#session?.current?.state === 'established')
      dues.push(this.#standing?.deadline ?? Infinity, this.#mobike?.deadline ?? Infinity);
    if (this.#phase === 'sa-init') dues.push(this.#saInit.deadline());
    if (this.#isInTime()) dues.push(this.#establishBy);
    const due = Math.min(...dues);
    return due === Infinity ? undefined : due;
  }

  #emit(output: IkeOutput): void {
    if (this.#closed) return;
    if (output.kind !== 'closed') {
      this.#out.push(output);
      return;
    }
    this.#standing?.ended(output.failure);
    this.#closed = true;
    const failure = this.#standing ? this.#standing.explain(output.failure, this.#now) : output.failure;
    this.#out.push(failure ? { kind: 'closed', failure } : { kind: 'closed' });
  }

  #close(failure?: IkeFailure): void {
    if (this.#session) this.#session.close(failure);
    else {
      if (failure) this.#narrator.log('info', `IKE SA failed: ${failure.evidence}`, { code: failure.code });
      this.#emit(failure ? { kind: 'closed', failure } : { kind: 'closed' });
    }
  }

  #start(now: number): void {
    if (this.#phase !== 'idle') return;
    this.#phase = 'sa-init';
    this.#establishBy = now + this.#config.timing.establishWithin;
    this.#emit({ kind: 'progress', step: 'sa-init' });
    this.#saInit.start(now);
  }

  /** The time limit runs, except while a user or a network is asked, whose patience is for who asks them. */
  #isInTime(): boolean {
    return this.#phase === 'sa-init' || (this.#phase === 'auth' && this.#auth?.askedAt === undefined);
  }

  #tick(now: number): void {
    if (this.#phase === 'idle') return;
    if (this.#cancelBy !== undefined && this.#phase === 'auth' && now >= this.#cancelBy) {
      this.#close();
      return;
    }
    if (this.#isInTime() && now >= this.#establishBy) {
      this.#close(this.#phase === 'auth' ? this.#whyNoAnswerToAuth() : this.#saInit.whyNoAnswer());
      return;
    }
    if (this.#phase === 'sa-init') this.#saInit.tick(now);
    this.#session?.tick(now);
    this.#standing?.tick(now);
    if (this.#phase === 'up') this.#mobike?.tick(now);
  }

  #answer(id: number, answer: IkeAnswer, now: number): void {
    const auth = this.#phase === 'auth' ? this.#auth : undefined;
    if (auth?.askedAt === undefined || !auth.awaits(id)) {
      discard(answer);
      this.#narrator.log('debug', 'answer to no open ask', { id });
      return;
    }
    this.#establishBy += now - auth.askedAt;
    auth.answer(answer, now);
  }

  /**
   * RFC 7296 §2.21.2 knows no way to take back an IKE_SA_INIT, and the gateway forgets it by itself. An IKE_AUTH under way may
   * have made an SA there, which is worth a short wait for its answer and a DELETE. A second call ends at once.
   */
  #terminate(now: number): void {
    if (this.#phase === 'idle' || this.#phase === 'sa-init') {
      this.#close();
      return;
    }
    if (this.#phase === 'up') {
      this.#session?.terminate(now);
      return;
    }
    if (this.#auth?.askedAt !== undefined) {
      this.#cancelled(now);
      return;
    }
    if (this.#cancelBy !== undefined) {
      this.#close();
      return;
    }
    this.#cancelBy = Math.min(now + CANCEL_WITHIN, this.#establishBy);
  }

  #cancelled(now: number): void {
    this.#phase = 'up';
    this.#cancelBy = undefined;
    if (this.#auth?.gatewayHasSa) this.#session?.current?.finish([deleteIkeSa()], undefined, now, CANCEL_WITHIN);
    else this.#close();
  }

  #datagram(arrived: Datagram, now: number): void {
    // A copy, because parts of it are kept and the driver uses its buffers again (and `slice` of a Buffer is none).
    const input = { ...arrived, bytes: new Uint8Array(arrived.bytes) };
    const parsed = parseMessage(input.bytes);
    if (this.#session) {
      if (parsed.ok && this.#standing?.overheard(parsed.value, now)) return;
      if (parsed.ok) this.#session.receive(parsed.value, input.bytes, input.channel, input.from, now);
      else this.#narrator.drop(`${parsed.error.code}: ${parsed.error.place}`);
    } else if (parsed.ok) this.#saInit.receive(input, parsed.value, now);
    else this.#saInit.unparsed(input, parsed.error, now);
  }

  #authenticate(agreed: Agreed, now: number): void {
    const { result, spiI } = agreed;
    const { spiR, suite, keys, nat } = result;
    const config = this.#config;
    const way = wayOn(config, agreed);
    const { channel, local, remote, natLocal } = way;
    this.#phase = 'auth';
    const mobike = this.#makeMobike({ local, remote, natLocal });
    this.#mobike = mobike;
    const session = this.#makeSession(mobike);
    this.#session = session;
    const sa = session.open({
      role: 'initiator',
      ...{ spiI, spiR, suite, keys, channel, remote },
      nextRequestId: 1, // RFC 7296 §2.2: IKE_SA_INIT was 0
      expectedRequestId: 0,
      handlers: {},
      narrator: this.#narrator,
      fragmentSize: result.fragmentation ? firstSize(config.fragmentation) : undefined,
    });
    this.#narrator.log('info', `IKE algorithms agreed: ${suiteText(suite)}`, {
      natLocal: nat.local,
      natRemote: nat.remote,
      channel,
    });
    if (!nat.supported) this.#narrator.log('warn', 'the gateway does not say that it knows NAT traversal');
    this.#auth = new AuthPhase(prove(config, agreed, way, sa, this.#ports.random), {
      sa,
      solution: agreed.solution,
      emit: (output) => this.#emit(output),
      isCancelled: () => this.#cancelBy !== undefined,
      cancelled: (at) => this.#cancelled(at),
      finished: (verdict, at) => this.#finished(sa, verdict, (identity) => factsOf(config, agreed, way, identity), at),
      malformed: (failure, complaint, at) => this.#complain(sa, failure, complaint, at),
      unanswered: () => this.#close(this.#cancelBy === undefined ? this.#whyNoAnswerToAuth() : undefined),
    });
    this.#emit({ kind: 'progress', step: 'auth' });
    this.#auth.start(now);
  }

  #makeSession(mobike: Mobike): Session {
    const config = this.#config;
    return new Session({
      ...{ timing: config.timing, lifetimes: config.lifetimes, version: config.request.version },
      ...{ ikeProposals: config.ikeProposals, espProposals: config.espProposals },
      ...{ random: this.#ports.random, keyLog: this.#ports.keyLog },
      notified: (notice, now, way, of) => this.#standing?.notified(notice, now) ?? mobike.notified(notice, way, of),
      roads: mobike,
      rekeyed: (notifies, now) => {
        mobike.rekeyed(now);
        this.#standing?.rekeyed(notifies, now);
      },
      closeWithoutChild: true,
      followPeer: false, // RFC 7296 §2.23: usually behind a NAT, and the dataplane has one gateway address
      path: () => {
        const { local, remote, natLocal } = mobike.way;
        return { local, remote, keepalive: natLocal && remote.transport !== 'tcp' };
      },
      admit: () => this.#admitted,
      newSpiIn: () => newChildSpi(this.#ports.random),
      emit: (output) => this.#emit(output),
    });
  }

  #makeMobike(way: Way): Mobike {
    const { local, remote, forceEncapsulation, transport } = this.#config;
    // What comes back from TCP goes in UDP as well.
    const disguise = forceEncapsulation || transport === 'tcp';
    const { random } = this.#ports;
    const emit = (output: IkeOutput) => this.#emit(output);
    const current = () => this.#session?.current;
    const before = (now: number) => this.#session?.before(now);
    return new Mobike({ disguise, random, narrator: this.#narrator, emit, current, before }, { local, remote }, way);
  }

  #whyNoAnswerToAuth(): IkeFailure {
    const exchange = this.#auth?.exchange ?? EXCHANGE.IKE_AUTH;
    return { code: 'no-answer-auth', evidence: `no answer to ${exchangeName(exchange)}${this.#otherSilence(exchange)}` };
  }

  /** What OpenIKED drops the IKE SA for without a word, where RFC 7296 §2.16 and §2.21.2 have one sent: not the network alone is to blame. */
  #otherSilence(exchange: number): string {
    if (this.#auth?.inEap) return ', after EAP messages: some gateways fall silent at a wrong user name or password';
    if (exchange !== EXCHANGE.IKE_AUTH || this.#config.auth.gateway.method !== 'certificate') return '';
    return '; some gateways fall silent, too, that have no certificate of an authority trusted here';
  }

  #finished(sa: IkeSa, verdict: IkeAuthVerdict, facts: (identity: Identity) => IkeSaFacts, now: number): void {
    this.#phase = 'up';
    if (verdict.kind === 'refused') {
      sa.close(verdict.failure);
      return;
    }
    if (verdict.kind === 'disbelieved') {
      const within = this.#auth?.gatewayHasSa ? COMPLAIN_WITHIN : MENTION_WITHIN;
      this.#complain(sa, verdict.failure, verdict.complaint, now, within);
      return;
    }
    this.#emit({ kind: 'proven' });
    if (verdict.kind === 'redirected') {
      if (verdict.standing) this.#leave(sa, verdict.failure, now);
      else sa.close(verdict.failure);
      return;
    }
    sa.authenticated(now);
    const { child, identity, notifies, skD } = verdict;
    if (skD) sa.replaceSkD(skD);
    if (!child.ok) {
      this.#narrator.log('info', `no CHILD SA: ${child.error.evidence}; deleting the IKE SA`);
      // RFC 7296 §2.21.2: the IKE SA stands without it, but it is of no use to us.
      sa.finish([deleteIkeSa()], child.error, now);
      return;
    }
    const { configuration, notes, child: first, wanted } = child.value;
    for (const note of notes) this.#narrator.log('warn', `configuration: ${note}`);
    this.#emit({ kind: 'progress', step: 'established' });
    this.#narrator.log('info', `IKE SA established with ${identity.text}`);
    const alone = findNotify(notifies, NOTIFY.INITIAL_CONTACT) !== undefined;
    const more = { ...(alone && { initialContact: true as const }), ...(skD && { ppk: true as const }) };
    const established = { ...facts(identity), ...more };
    this.#emit({ kind: 'established', sa: established });
    const withheld = withheldText(configuration, this.#config.request);
    if (withheld !== undefined) this.#narrator.log('info', withheld);
    this.#emit({ kind: 'configured', configuration });
    // RFC 7296 §2.9: a gateway may want more CHILD SAs, for the networks we asked for and the addresses it gave us.
    this.#admitted = first ? { local: first.localSelectors, remote: this.#config.remoteSelectors } : wanted;
    this.#session?.established(established, now);
    if (first) {
      this.#narrator.log('info', `CHILD SA established: ${suiteText(first)}`, {
        spiIn: spiText(first.spiIn),
        spiOut: spiText(first.spiOut),
        local: selectorsText(first.localSelectors),
        remote: selectorsText(first.remoteSelectors),
      });
      this.#session?.addChild(first, now, wanted);
    } else this.#session?.wantFirst(wanted, now);
    for (const { localSelectors, remoteSelectors } of this.#config.additionalChildren ?? [])
      this.#session?.want({ local: localSelectors, remote: remoteSelectors }, now);
    if (this.#config.mobike) this.#mobike?.established(notifies, now);
    this.#standing = new Standing(
      {
        config: this.#config,
        ports: this.#ports,
        narrator: this.#narrator,
        emit: (output) => this.#emit(output),
        current: () => this.#session?.current,
        leave: (failure, at) => this.#session?.current && this.#leave(this.#session.current, failure, at),
      },
      identity,
      notifies,
      now,
    );
  }

  /** RFC 5685 §5, §6: what there is with the old gateway is deleted; the new one is what the user waits for. */
  #leave(sa: IkeSa, failure: IkeFailure, now: number): void {
    sa.authenticated(now);
    sa.finish([deleteIkeSa()], failure, now, LEAVE_WITHIN);
  }

  /** RFC 7296 §2.21.2: an error of ours in IKE_AUTH goes into an INFORMATIONAL, which ends the IKE SA without a DELETE. */
  #complain(sa: IkeSa, failure: IkeFailure, complaint: Payload, now: number, within = COMPLAIN_WITHIN): void {
    this.#phase = 'up';
    const cancelled = this.#cancelBy !== undefined;
    this.#cancelBy = undefined;
    sa.finish([complaint], cancelled ? undefined : failure, now, within);
  }
}

/** Nobody wants it any more, and what was typed is in it. */
function discard(answer: IkeAnswer): void {
  if (answer.kind === 'credential') wipe(answer.value);
}
