/**
 * Looking up the name of a gateway past the tunnel, while the traffic of that is held back and the computer's own resolver is, too. Nothing
 * but that name is told, from a marked socket, and to name servers that this computer asked before the tunnel or would ask without it.
 */
import type { Socket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { err, ok, type Result } from '../bytes/result.ts';
import type { Failure } from '../rpc/contract.ts';
import type { HostError } from '../system/ports.ts';
import { failure } from '../tunnel/explain.ts';
import type { Address } from '../tunnel/race.ts';
import { type DnsAnswer, dnsQuery, type QueryType, readDnsAnswer } from './dnsMessage.ts';
import { few } from './gatewayPath.ts';
import { adopt } from './udpDescriptor.ts';

export interface OutsidePorts {
  /** A marked socket, bound to any port. */
  readonly openUdp: (family: 4 | 6) => Promise<Result<{ readonly fd: number }, HostError>>;
  /** 16 bits nobody can guess (RFC 5452 §9.2). */
  readonly randomId: () => number;
  /** Default 53. */
  readonly port?: number;
}

/** The value has one address at least. */
export type OutsideLookUp = (name: string, servers: readonly string[]) => Promise<Result<readonly Address[], Failure>>;

const PORT = 53;
const MOST_SERVERS = 4;
/** Milliseconds for each name server; sent again in the middle of that. */
const SERVER_WITHIN = 2_000;

export function createOutsideLookUp(ports: OutsidePorts): OutsideLookUp {
  return async (name, servers) => {
    for (const server of servers.slice(0, MOST_SERVERS)) {
      const answers = await Promise.all([ask(ports, server, name, 'A'), ask(ports, server, name, 'AAAA')]);
      const found = answers.flatMap((answer) => (answer?.kind === 'addresses' ? answer.addresses : []));
      if (found.length > 0) return ok(few(found));
      if (answers.some((answer) => answer?.kind === 'no-such-name')) break;
    }
    return err(failure('name-not-resolved', `${name}: not to be found past the tunnel`));
  };
}

/** Undefined: no answer. */
async function ask(ports: OutsidePorts, server: string, name: string, type: QueryType): Promise<DnsAnswer | undefined> {
  const id = ports.randomId();
  const query = dnsQuery(id, name, type);
  const family = isIP(server) === 6 ? 6 : 4;
  const opened = query && (await ports.openUdp(family));
  if (!query || !opened?.ok) return undefined;
  const socket = await adopt(family, opened.value.fd);
  try {
    return await answerOf(socket, { address: server, port: ports.port ?? PORT }, query, (bytes) =>
      readDnsAnswer(bytes, id, name, type),
    );
  } finally {
    socket.close();
  }
}

function answerOf(
  socket: Socket,
  to: { readonly address: string; readonly port: number },
  query: Uint8Array,
  read: (bytes: Uint8Array) => DnsAnswer,
): Promise<DnsAnswer | undefined> {
  return new Promise((resolve) => {
    const send = () => socket.send(query, () => {});
    let again: NodeJS.Timeout | undefined;
    const done = (answer: DnsAnswer | undefined) => {
      clearTimeout(limit);
      clearTimeout(again);
      resolve(answer);
    };
    const limit = setTimeout(() => done(undefined), SERVER_WITHIN);
    socket.on('error', () => done(undefined));
    socket.on('message', (bytes) => {
      const answer = read(bytes);
      if (answer.kind !== 'other') done(answer);
    });
    // A callback of `connect` would be told that there is no way, too, and no 'error' would come.
    socket.once('connect', () => {
      send();
      again = setTimeout(send, SERVER_WITHIN / 2);
    });
    // Connected, so that nobody else is heard.
    socket.connect(to.port, to.address);
  });
}

/** Where the name servers of this computer stand, whoever manages them: the file itself, and what managers write beside a stub. */
const FILES = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf', '/run/NetworkManager/no-stub-resolv.conf'] as const;

/** Those that can be asked from here: not a stub of this computer, whose own questions would be held back, and none that needs an interface. */
export function nameServers(files: readonly string[] = FILES): readonly string[] {
  const found = files.flatMap((file) => {
    try {
      return [...readFileSync(file, 'utf8').matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, server = '']) => server);
    } catch {
      return [];
    }
  });
  return [...new Set(found)].filter((server) => isIP(server) !== 0 && !/^127\.|^::1$|%/.test(server));
}
