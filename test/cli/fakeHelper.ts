/** The helper's real RPC server, handlers, store and keeper in this process, over a machine, a dataplane and a monitor of tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHandlers } from '../../core/helper/handlers.ts';
import { openHistory } from '../../core/helper/history.ts';
import { createLogRing, type LogRing } from '../../core/helper/logRing.ts';
import { createPublisher } from '../../core/helper/publisher.ts';
import { createRemovedProfiles } from '../../core/helper/removedProfiles.ts';
import { createRpcServer } from '../../core/helper/rpcServer.ts';
import { createTunnelKeeper, type TunnelKeeper } from '../../core/helper/tunnelKeeper.ts';
import { openProfileStore } from '../../core/profile/store.ts';
import { programVersion } from '../../core/rpc/version.ts';
import { descriptorOf, peerCredentials } from '../../core/system/linux/peer.ts';
import { type FakeOptions, type FakeWorld, fakeWorld, noCertificates } from '../unit/tunnel/fakes.ts';

export interface FakeHelper {
  readonly folder: string;
  readonly socket: string;
  readonly world: FakeWorld;
  readonly tunnel: TunnelKeeper;
  readonly logs: LogRing;
  /** Everything the helper would have written to the journal. */
  readonly journal: string[];
  /** Ends it as a crash would: connections are cut. */
  close(): Promise<void>;
}

export async function startFakeHelper(
  options: FakeOptions = {},
  { logLines = 500 }: { readonly logLines?: number } = {},
): Promise<FakeHelper> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-cli-'));
  const socket = join(folder, 'sallyport.sock');
  const world = fakeWorld(options);
  const journal: string[] = [];
  const logs = createLogRing({ capacity: logLines, now: Date.now, write: (line) => journal.push(line), writeLevel: 'debug' });
  const profiles = openProfileStore(join(folder, 'profiles'), logs.log);
  const history = openHistory({ directory: join(folder, 'history'), now: Date.now, log: logs.log });
  const wanted = { keep: () => {}, forget: () => {}, take: () => undefined };
  const tunnel = createTunnelKeeper({ ...world.deps, history, wanted, profiles, logs, onChange: () => publisher.changed() });
  const publisher = createPublisher({ statusFor: tunnel.statusFor, running: tunnel.active, logs, refreshEvery: 20 });
  const handlers = createHandlers({
    profiles,
    removed: createRemovedProfiles({ profiles }),
    tunnel,
    publisher,
    history,
    logs,
    log: logs.log,
    certificates: noCertificates,
  });
  const server = createRpcServer({
    handlers: () => handlers,
    version: programVersion(),
    log: logs.log,
    peerOf: (connection) => {
      const fd = descriptorOf(connection);
      const peer = fd === undefined ? undefined : peerCredentials(fd);
      return peer ? { ok: true, value: peer } : { ok: false, error: 'none' };
    },
    onClosed: (peer) => publisher.forget(peer),
  });
  const listening = await server.listen({ path: socket });
  if (!listening.ok) throw new Error(listening.error);
  return {
    folder,
    socket,
    world,
    tunnel,
    logs,
    journal,
    close: async () => {
      await server.close();
      await tunnel.stop();
      publisher.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
