/** The one tunnel of this computer: who may start it, who may end it, who sees what of it. */
import { err, ok, type Result } from '../bytes/result.ts';
import type { Channel, Endpoint } from '../ike/sa/contract.ts';
import { summaryOf } from '../profile/model.ts';
import type { ProfileStore } from '../profile/store.ts';
import type { ProfileSummary, Status, TunnelState } from '../rpc/contract.ts';
import { failure } from '../tunnel/explain.ts';
import { stateOf, statusFor, type TunnelFacts } from '../tunnel/status.ts';
import { type Connection, type ConnectionDeps, startConnection } from './connection.ts';
import type { LogRing } from './logRing.ts';
import type { HelperError } from './rpcServer.ts';

export interface TunnelKeeper {
  up(reference: string, user: number): Result<{ readonly profile: ProfileSummary }, HelperError>;
  /** Resolves when everything is given back. */
  down(user: number): Promise<Result<{ readonly was: TunnelState }, HelperError>>;
  repair(user: number): Promise<Result<{ readonly changes: readonly string[] }, HelperError>>;
  statusFor(user: number): Status;
  /** Is a connection there that is not over? */
  active(): boolean;
  /** Id of the profile in use. */
  inUse(profileId: string): boolean;
  datagram(bytes: Uint8Array, channel: Channel, from: Endpoint): void;
  /** The dataplane is dead. */
  dataplaneFailed(detail: string): void;
  /** Ends whatever there is, for the end of the engine. */
  stop(): Promise<void>;
}

export interface KeeperOptions extends Omit<ConnectionDeps, 'log'> {
  readonly logs: LogRing;
  readonly profiles: ProfileStore;
}

export function createTunnelKeeper(options: KeeperOptions): TunnelKeeper {
  const startedAt = options.now();
  let current: Connection | undefined;
  /** What is left to tell of the last one. */
  let last: TunnelFacts | undefined;

  const facts = () => current?.facts() ?? last;
  const mine = (user: number) => user === 0 || current?.facts().owner === user;

  return {
    up(reference, user) {
      if (current) {
        if (!mine(user)) return err({ code: 'used-by-another', detail: 'one tunnel at a time' });
        const { profile } = current.facts();
        const { state } = stateOf(current.facts(), startedAt);
        return err({ code: 'already-up', detail: `"${profile.name}" is ${state}` });
      }
      const found = options.profiles.find(reference, user);
      if (!found.ok) return found;
      const secret = options.profiles.secretOf(found.value);
      if (!secret.ok) return secret;
      const connection = startConnection(
        { ...options, log: options.logs.logFor(user) },
        { owner: user, profile: found.value.profile, psk: secret.value.psk },
      );
      current = connection;
      last = undefined;
      connection.over.then(() => {
        last = connection.facts();
        if (current === connection) current = undefined;
        options.onChange();
      });
      options.onChange();
      return ok({ profile: summaryOf(found.value) });
    },

    async down(user) {
      if (!current) return err({ code: 'not-up', detail: 'nothing is connected' });
      if (!mine(user)) return err({ code: 'not-permitted', detail: 'the tunnel belongs to another user' });
      const was = stateOf(current.facts(), startedAt).state;
      const connection = current;
      await connection.end();
      return ok({ was });
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
    inUse: (profileId) => current?.facts().profile.id === profileId,
    datagram: (bytes, channel, from) => current?.datagram(bytes, channel, from),
    dataplaneFailed(detail) {
      options.logs.log('error', 'dataplane', detail);
      void current?.end(failure('dataplane-failed', detail));
    },
    async stop() {
      await current?.end();
    },
  };
}
