/** The one tunnel of this computer: who may start it, who may end it, who sees what of it. */
import { toUtf8 } from '../bytes/bytes.ts';
import { err, ok, type Result } from '../bytes/result.ts';
import type { Channel, Endpoint } from '../ike/sa/contract.ts';
import { hasAllSecrets, type ProfileSecret, type StoredProfile, summaryOf, wipe } from '../profile/model.ts';
import { areForSame } from '../profile/record.ts';
import type { ProfileStore } from '../profile/store.ts';
import type { ProfileSummary, Status, TunnelState } from '../rpc/contract.ts';
import type { Log } from '../system/log.ts';
import { holdsTraffic } from '../tunnel/session.ts';
import { stateOf, statusFor, type TunnelFacts } from '../tunnel/status.ts';
import { type Attempts, type AttemptsDeps, type Before, newMemory, startAttempts } from './attempts.ts';
import type { Recallable, Rememberable } from './credentials.ts';
import type { History, SessionWriter } from './history.ts';
import type { LogRing } from './logRing.ts';
import type { Memory } from './reach.ts';
import type { HelperError } from './rpcServer.ts';
import type { Wanted, WantedTunnel } from './wanted.ts';

export interface TunnelKeeper {
  /** `askSecret`: the user types the key although the profile has one. A tunnel that was lost and waits for its next try is tried at once. */
  up(reference: string, user: number, askSecret?: boolean): Result<{ readonly profile: ProfileSummary }, HelperError>;
  /** The answer to what the connection asks; only its own user may give it. */
  answer(user: number, id: string, secret: string, remember: boolean): Result<{ readonly accepted: true }, HelperError>;
  /** Resolves when everything is given back. */
  down(user: number): Promise<Result<{ readonly was: TunnelState }, HelperError>>;
  /** New keys for the IKE SA, or for every CHILD SA. */
  rekey(user: number, what: 'ike' | 'child'): Result<{ readonly accepted: true }, HelperError>;
  repair(user: number): Promise<Result<{ readonly changes: readonly string[] }, HelperError>>;
  statusFor(user: number): Status;
  /** Is a connection there that is not over? */
  active(): boolean;
  inUse(profile: StoredProfile): boolean;
  datagram(bytes: Uint8Array, channel: Channel, from: Endpoint): void;
  /** A TCP connection of the dataplane is over. */
  streamOver(fd: number, why: string): void;
  /** The computer is about to sleep, and is awake again. */
  suspending(): void;
  resumed(): void;
  /** A CHILD SA has carried as much as it should, or may. */
  limit(spiIn: number, which: 'soft' | 'hard'): void;
  /** Another program removed the TUN device. */
  deviceGone(detail: string): void;
  /** Takes up what an engine that died was doing; what it held back for nobody is let go. */
  resume(): void;
  /** Ends whatever there is, for the end of the engine; `kept` for the next one to take up. */
  stop(kept?: 'kept'): Promise<void>;
}

export interface KeeperOptions extends Omit<AttemptsDeps, 'log'> {
  readonly logs: LogRing;
  readonly profiles: ProfileStore;
  readonly history: Pick<History, 'begin'>;
  readonly wanted: Wanted;
}

export function createTunnelKeeper(options: KeeperOptions): TunnelKeeper {
  const startedAt = options.now();
  let current: Attempts | undefined;
  /** The profile of `current`. */
  let used: StoredProfile | undefined;
  let stopping = false;
  /** The next engine is to take it up. */
  let keeping = false;
  /** What was learnt of the way to each gateway, by profile. */
  const memories = new Map<string, Memory>();
  /** What is left to tell of the last one. */
  let last: TunnelFacts | undefined;

  const facts = () => current?.facts() ?? last;
  const mine = (user: number) => user === 0 || current?.facts().owner === user;

  /** The profile as it is now, unless it came to be for another gateway or user meanwhile: a secret of one is not for the other. */
  function nowOf(before: StoredProfile): StoredProfile | undefined {
    return options.profiles.list(0).find((one) => isSame(one, before) && areForSame(one.profile, before.profile));
  }

  /** What was typed and what the gateway took, into the profile as it is now. Gives back the profile that it is for from then on. */
  function remember(before: StoredProfile, user: number, kind: Rememberable, value: Uint8Array, log: Log): StoredProfile {
    const { id } = before.profile;
    const stored = nowOf(before);
    if (!stored) {
      const why = 'the profile was changed meanwhile, and is for another gateway or user';
      log('warn', 'profile', `could not be remembered: ${kind}`, { id, why });
    }
    if (!stored || !canRemember(stored, user, kind)) return before;
    const kept =
      kind === 'identity'
        ? options.profiles.put(withIdentity(stored, value), { kind: 'keep' })
        : options.profiles.put(stored, { kind: 'set', secret: { [kind]: value } });
    if (kept.ok) log('info', 'profile', `remembered: ${kind}`, { id });
    else log('warn', 'profile', `could not be remembered: ${kind}`, { id, why: kept.error.detail });
    return kept.ok ? kept.value : before;
  }

  /** What the store has of it now; the rest is wiped at once. */
  function recall(before: StoredProfile, kind: Recallable): Uint8Array | undefined {
    const stored = nowOf(before);
    const found = stored && options.profiles.secretOf(stored);
    if (!found?.ok) return undefined;
    const { [kind]: wanted, ...rest } = found.value;
    wipe(rest);
    return wanted;
  }

  function memoryOf({ owner, shared, profile: { id } }: StoredProfile): Memory {
    const key = `${shared ? 'shared' : owner}/${id}`;
    const memory = memories.get(key) ?? newMemory();
    memories.set(key, memory);
    return memory;
  }

  function begin(stored: StoredProfile, user: number, askSecret: boolean, before?: Before): void {
    const log = options.logs.logFor(user);
    const { id, whenLost } = stored.profile;
    /** As stored, and with the name that was remembered: who the secrets are for. */
    let known = stored;
    // Something may change before there is an entry for it.
    let session: SessionWriter | undefined;
    let kept = '';
    const onChange = () => {
      session?.observe();
      if (session && connection.facts().readyAt !== undefined && whenLost !== 'end') {
        const { addresses, inside = [], nameServers = [] } = memoryOf(stored);
        const of = { owner: stored.owner, shared: stored.shared };
        const wanted = { profile: id, of, owner: user, addresses: [...addresses], inside, nameServers };
        const text = JSON.stringify(wanted);
        if (text !== kept) options.wanted.keep(wanted);
        kept = text;
      }
      options.onChange();
    };
    const connection: Attempts = startAttempts(
      { ...options, log, onChange },
      {
        owner: user,
        profile: stored.profile,
        secret: storedSecret(options.profiles, stored, askSecret),
        ...(before && { before }),
        memory: memoryOf(stored),
        recall: (kind) => recall(known, kind),
        mayRemember: (kind) => {
          const now = nowOf(known);
          return now !== undefined && canRemember(now, user, kind);
        },
        remember: (kind, value) => {
          known = remember(known, user, kind, value, log);
        },
      },
    );
    session = options.history.begin(connection.facts);
    current = connection;
    used = stored;
    last = undefined;
    connection.over.then(() => {
      last = connection.facts();
      session?.end(stopping);
      if (!keeping) options.wanted.forget();
      if (current === connection) current = undefined;
      options.onChange();
    });
    options.onChange();
  }

  /** A file of a helper before this one does not say whose it was: then the nearest of that id. */
  function wantedProfile({ profile, of, owner }: WantedTunnel): StoredProfile | undefined {
    if (of) return options.profiles.list(owner).find((one) => one.profile.id === profile && isSame(one, { ...one, ...of }));
    const found = options.profiles.find(profile, owner);
    return found.ok ? found.value : undefined;
  }

  /** What an engine that died left in place. */
  function letGo(): void {
    const failed = (detail: string) => options.logs.log('error', 'host', 'the host could not be put back', { detail });
    options.monitor.revert().then(
      (reverted) => reverted.ok || failed(reverted.error.detail),
      (fault: unknown) => failed(String(fault)),
    );
  }

  return {
    up(reference, user, askSecret = false) {
      if (current) {
        if (!mine(user)) return err({ code: 'used-by-another', detail: 'one tunnel at a time' });
        const { profile } = current.facts();
        const found = options.profiles.find(reference, user);
        if (found.ok && used && isSame(found.value, used) && current.again(askSecret))
          return ok({ profile: summaryOf(found.value) });
        const { state } = stateOf(current.facts(), startedAt);
        return err({ code: 'already-up', detail: `"${profile.name}" is ${state}` });
      }
      const found = options.profiles.find(reference, user);
      if (!found.ok) return found;
      begin(found.value, user, askSecret);
      return ok({ profile: summaryOf(found.value) });
    },

    resume() {
      const was = options.wanted.take();
      const stored = was && wantedProfile(was);
      if (!was || !stored) {
        letGo();
        return;
      }
      const { profile, secrets } = stored;
      const log = options.logs.logFor(was.owner);
      const locked = profile.whenLost === 'lock';
      const held = holdsTraffic(profile.whenLost);
      if (!held) letGo();
      const memory = memoryOf(stored);
      for (const [name, addresses] of was.addresses) memory.addresses.set(name, addresses);
      memory.inside = was.inside;
      memory.nameServers = was.nameServers ?? [];
      // What only the user can bring back waits for them where it is locked; elsewhere they are asked, and an answer that does not come ends it.
      const untilTold = locked && (was.tried === true || !hasAllSecrets(profile, secrets));
      if (locked) options.wanted.keep({ ...was, tried: true });
      if (untilTold) log('warn', 'tunnel', 'what was up before the helper restarted is locked: the user is to bring it back');
      else log('info', 'tunnel', 'bringing back what was up before the helper restarted');
      const evidence = 'the helper ended while the tunnel was up';
      begin(stored, was.owner, false, { ending: { code: 'engine-restarted', evidence }, held, untilTold });
    },

    answer(user, id, secret, remember) {
      if (!current) return err({ code: 'prompt-unknown', detail: 'nothing is connecting' });
      // Not even root: the answer may be a secret of theirs.
      if (current.facts().owner !== user) return err({ code: 'not-permitted', detail: 'the tunnel belongs to another user' });
      const answered = current.answer(id, secret, remember);
      return answered.ok ? ok({ accepted: true }) : answered;
    },

    async down(user) {
      if (!current) return err({ code: 'not-up', detail: 'nothing is connected' });
      if (!mine(user)) return err({ code: 'not-permitted', detail: 'the tunnel belongs to another user' });
      const was = stateOf(current.facts(), startedAt).state;
      const connection = current;
      await connection.end();
      return ok({ was });
    },

    rekey(user, what) {
      if (!current) return err({ code: 'not-up', detail: 'nothing is connected' });
      if (!mine(user)) return err({ code: 'not-permitted', detail: 'the tunnel belongs to another user' });
      return current.rekey(what) ? ok({ accepted: true }) : err({ code: 'not-up', detail: 'not connected now' });
    },

    async repair(user) {
      if (user !== 0) return err({ code: 'not-permitted', detail: 'repair changes the network of the computer' });
      if (current) return err({ code: 'already-up', detail: 'repair is for when no tunnel is up' });
      const reverted = await options.monitor.revert();
      if (!reverted.ok) return err({ code: 'host-failed', detail: reverted.error.detail });
      return ok({ changes: reverted.value });
    },

    statusFor: (user) => statusFor(facts(), user, startedAt),
    active: () => current !== undefined,
    inUse: (profile) => current !== undefined && used !== undefined && isSame(profile, used),
    datagram: (bytes, channel, from) => current?.datagram(bytes, channel, from),
    streamOver: (fd, why) => current?.streamOver(fd, why),
    suspending: () => current?.suspending(),
    resumed: () => current?.resumed(),
    limit: (spiIn, which) => current?.limit(spiIn, which),
    deviceGone(detail) {
      options.logs.log('error', 'dataplane', detail);
      current?.deviceGone(detail);
    },
    async stop(kept) {
      stopping = true;
      keeping = kept !== undefined;
      await current?.end();
    },
  };
}

/** An id alone is not enough: an administrator gives one file to many, and anybody can import what has the id of somebody else's. */
function isSame(one: StoredProfile, other: StoredProfile): boolean {
  return one.profile.id === other.profile.id && one.shared === other.shared && one.owner === other.owner;
}

/** Without one, or with one whose file is gone, the user is asked; also when they want to be. A private key nobody can type, and a post-quantum one is not theirs to know. */
function storedSecret(profiles: ProfileStore, stored: StoredProfile, askSecret: boolean): ProfileSecret {
  const found = profiles.secretOf(stored);
  if (!found.ok) return {};
  const { psk, password, key, ppk } = found.value;
  if (!askSecret) return found.value;
  psk?.fill(0);
  password?.fill(0);
  return { ...(key && { key }), ...(ppk && { ppk }) };
}

/** Which lock of a profile covers what was typed. */
const LOCK_OF: { readonly [K in Rememberable]: string } = { psk: 'secret', password: 'password', identity: 'eap' };

/** What the user typed goes into the user's own profiles only, and not where the administrator locked it. */
function canRemember({ profile, owner, shared }: StoredProfile, user: number, kind: Rememberable): boolean {
  return owner === user && !shared && !profile.locked.includes(LOCK_OF[kind]);
}

function withIdentity(stored: StoredProfile, value: Uint8Array): StoredProfile {
  const { profile } = stored;
  if (!profile.eap) return stored;
  return { ...stored, profile: { ...profile, eap: { ...profile.eap, identity: toUtf8(value) } } };
}
