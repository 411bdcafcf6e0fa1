/**
 * The head office's name server: authoritative for a table of names, NXDOMAIN for all others.
 *
 *   node test/gateway/dns.ts '{"listen":["10.10.0.53"],"names":{"intranet.office.test":["10.10.0.80","fd00:10:10::80"]}}'
 *
 * Prints one line {"ready":true} and then one line {"event":"query","from":…,"name":…,"type":…,"rcode":…} per query. Ends on SIGTERM.
 */
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { RCODE, RECORD } from '../../core/helper/dnsMessage.ts';
import { addressOctets } from './addresses.ts';
import { encodeAnswer, parseQuestion } from './dnsCodec.ts';

export interface DnsConfig {
  readonly listen: readonly string[];
  /** Default 53. */
  readonly port?: number;
  /** Name without final dot → textual IPv4 and IPv6 addresses. */
  readonly names: Readonly<Record<string, readonly string[]>>;
}

export interface DnsQuery {
  readonly from: string;
  readonly name: string;
  readonly type: number;
  readonly rcode: number;
}

/** Seconds; short, so that a test that changes the table is not fooled by a cache. */
const TTL = 5;

/** The answer to one datagram, or undefined when it deserves none. */
export function answerQuery(
  datagram: Uint8Array,
  names: DnsConfig['names'],
): { readonly bytes: Uint8Array; readonly query: Omit<DnsQuery, 'from'> } | undefined {
  const question = parseQuestion(datagram);
  if (question === undefined) return undefined;
  const known = Object.hasOwn(names, question.name) ? names[question.name] : undefined;
  const octets = (known ?? []).map(addressOctets);
  const wanted = octets.filter(
    (address) => question.type === RECORD.ANY || question.type === (address.length === 4 ? RECORD.A : RECORD.AAAA),
  );
  // A known name without a record of the asked type is NOERROR and no answer, or resolvers would give up on its other family.
  const rcode = known === undefined ? RCODE.NXDOMAIN : RCODE.NOERROR;
  return {
    bytes: encodeAnswer(question, rcode, wanted, TTL),
    query: { name: question.name, type: question.type, rcode },
  };
}

/** Listens on every address; resolves when all sockets are bound. */
export async function startDns(
  config: DnsConfig,
  onQuery: (query: DnsQuery) => void,
): Promise<{ readonly close: () => Promise<void> }> {
  const sockets: Socket[] = [];
  for (const address of config.listen) {
    const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', reuseAddr: true });
    sockets.push(socket);
    socket.on('message', (datagram, from) => {
      const answer = answerQuery(datagram, config.names);
      if (answer === undefined) return;
      socket.send(answer.bytes, from.port, from.address);
      onQuery({ from: from.address, ...answer.query });
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(config.port ?? 53, address, () => resolve());
    });
  }
  const close = async (): Promise<void> => {
    await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
  };
  return { close };
}

if (import.meta.main) {
  const config = JSON.parse(process.argv[2] ?? '') as DnsConfig;
  const server = await startDns(config, (query) => process.stdout.write(`${JSON.stringify({ event: 'query', ...query })}\n`));
  process.on('SIGTERM', () => void server.close().then(() => process.exit(0)));
  process.stdout.write('{"ready":true}\n');
}
