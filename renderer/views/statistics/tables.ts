/**
 * The tables of the view as data: which columns, which rows, raw values. The view turns values into the language's text;
 * the export writes them raw. One list of columns serves both, so that what is seen is what is saved.
 */
import type { ChildStatus, DropReason, KernelOffload, SessionRecord, Status } from '../../../core/rpc/contract.ts';
import { isUp } from '../../../core/tunnel/states.ts';

export type Session = SessionRecord;

export type Value =
  | { readonly kind: 'none' }
  /** Addresses, names, algorithms: shown as they are. */
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'count'; readonly count: number }
  /** An instant in Date.now() milliseconds, shown as how long it lasts since. */
  | { readonly kind: 'since'; readonly at: number }
  /** An instant of something that happened, shown as how long ago. */
  | { readonly kind: 'ago'; readonly at: number }
  /** An instant, shown as how long until. */
  | { readonly kind: 'until'; readonly at: number }
  | { readonly kind: 'date'; readonly at: number }
  | { readonly kind: 'length'; readonly ms: number }
  /** A code of core/tunnel/reasons.ts. */
  | { readonly kind: 'reason'; readonly code: string }
  /** A word of the view's own: its key below `words`. */
  | { readonly kind: 'word'; readonly word: Word };

export type Word =
  | 'never'
  | 'notPlanned'
  | 'yes'
  | 'no'
  | 'natBoth'
  | 'natLocal'
  | 'natRemote'
  | 'natNone'
  | 'byTicket'
  | 'byProof'
  | 'oneByOne'
  | 'inCipher'
  | 'goingOn'
  | 'user'
  | 'restarted'
  | 'unknown';

export type ColumnKey =
  | 'spiI'
  | 'spiR'
  | 'encryption'
  | 'integrity'
  | 'prf'
  | 'keyExchange'
  | 'age'
  | 'rekey'
  | 'localIdentity'
  | 'remoteIdentity'
  | 'login'
  | 'local'
  | 'gateway'
  | 'nat'
  | 'interface'
  | 'mtu'
  | 'rtt'
  | 'spiIn'
  | 'spiOut'
  | 'esn'
  | 'localSelectors'
  | 'remoteSelectors'
  | 'packetsIn'
  | 'bytesIn'
  | 'lastIn'
  | 'packetsOut'
  | 'bytesOut'
  | 'lastOut'
  | 'dropsReplay'
  | 'dropsIntegrity'
  | 'dropsSelector'
  | 'dropsMalformed'
  | 'dropsExhausted'
  | 'dropsTooBig'
  | 'dropsCongestion'
  | 'backend'
  | 'offload'
  | StrayDrop
  | 'profile'
  | 'startedAt'
  | 'length'
  | 'virtualIps'
  | 'endReason';

export interface Column {
  readonly key: ColumnKey;
  /** Right-aligned. */
  readonly figure: boolean;
}

/** RFC 3948 §2.3 wants NAT keepalives dropped: nothing to tell of. */
type StrayDrop = Exclude<DropReason, 'keepalive-in'>;

export type TableName = 'ike' | 'path' | 'traffic' | 'protection' | 'drops' | 'strays' | 'history';

export interface Row {
  readonly key: string;
  readonly cells: readonly Value[];
}

export interface Table {
  readonly name: TableName;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
}

const STRAYS: readonly StrayDrop[] = [
  'unknown-spi',
  'short-packet',
  'no-policy',
  'not-ip',
  'tun-full',
  'send-failed',
  'ike-full',
  'kernel',
  'queue-full',
];

const FIGURES: ReadonlySet<ColumnKey> = new Set([
  'age',
  'rekey',
  'mtu',
  'rtt',
  'packetsIn',
  'bytesIn',
  'lastIn',
  'packetsOut',
  'bytesOut',
  'lastOut',
  'dropsReplay',
  'dropsIntegrity',
  'dropsSelector',
  'dropsMalformed',
  'dropsExhausted',
  'dropsTooBig',
  'dropsCongestion',
  ...STRAYS,
  'length',
] as const);

const none: Value = { kind: 'none' };
const text = (value: string | undefined): Value => (value === undefined || value === '' ? none : { kind: 'text', text: value });
const count = (value: number): Value => ({ kind: 'count', count: value });
const figure = (value: number | undefined): Value => (value === undefined ? none : count(value));
const since = (at: number): Value => ({ kind: 'since', at });
const word = (value: Word): Value => ({ kind: 'word', word: value });

/** The tables of the connection; none when there is no IKE SA. */
export function connectionTables(status: Status | undefined): readonly Table[] {
  const ike = status?.ike;
  if (!status || !ike) return [];
  const own = `${ike.spiI}-${ike.spiR}`;
  const { gateway, local, drops } = status;
  return [
    table('ike', [
      [
        own,
        {
          spiI: text(ike.spiI),
          spiR: text(ike.spiR),
          encryption: text(algorithm(ike.encr, ike.keyLength)),
          integrity: integrity(ike.integ),
          prf: text(algorithm(ike.prf, undefined)),
          keyExchange: text([ike.ke, ...(ike.additionalKe ?? []), ...(ike.ppk ? ['PPK'] : [])].join(' + ')),
          age: since(ike.establishedAt),
          rekey: ike.rekeyAt === undefined ? word('notPlanned') : { kind: 'until', at: ike.rekeyAt },
        },
      ],
    ]),
    table('path', [
      [
        own,
        {
          localIdentity: text(ike.localIdentity),
          remoteIdentity: text(ike.remoteIdentity),
          login: word(ike.resumed ? 'byTicket' : 'byProof'),
          local: text(local && endpoint(local.address, local.port)),
          gateway: text(gateway && `${endpoint(gateway.address, gateway.port)}${gateway.transport === 'tcp' ? ' TCP' : ''}`),
          nat: status.nat ? word(natWord(status.nat)) : none,
          interface: text(status.interface?.name),
          mtu: figure(status.interface?.mtu),
          rtt: figure(status.pathRtt),
          offload: status.offload ? offloadOf(status.offload) : none,
        },
      ],
    ]),
    table(
      'traffic',
      eachChild(status, (child) => ({
        spiIn: text(child.spiIn),
        spiOut: text(child.spiOut),
        packetsIn: count(child.packetsIn),
        bytesIn: count(child.bytesIn),
        lastIn: last(child.lastIn),
        packetsOut: count(child.packetsOut),
        bytesOut: count(child.bytesOut),
        lastOut: last(child.lastOut),
      })),
    ),
    table(
      'drops',
      eachChild(status, (child) => ({
        spiIn: text(child.spiIn),
        dropsReplay: count(child.dropsReplay),
        dropsIntegrity: count(child.dropsIntegrity),
        dropsSelector: count(child.dropsSelector),
        dropsMalformed: count(child.dropsMalformed),
        dropsTooBig: figure(child.dropsTooBig),
        dropsCongestion: figure(child.dropsCongestion),
        dropsExhausted: count(child.dropsExhausted),
      })),
    ),
    // An older helper does not tell.
    ...(drops ? [table('strays', [[own, Object.fromEntries(STRAYS.map((reason) => [reason, figure(drops[reason])]))]])] : []),
    table(
      'protection',
      eachChild(status, (child) => ({
        spiIn: text(child.spiIn),
        encryption: text(algorithm(child.encr, child.keyLength)),
        integrity: integrity(child.integ),
        backend: text(child.backend),
        esn: word(child.esn ? 'yes' : 'no'),
        age: since(child.installedAt),
        rekey: child.rekeyAt === undefined ? word('notPlanned') : { kind: 'until', at: child.rekeyAt },
        localSelectors: text(child.localSelectors.join(', ')),
        remoteSelectors: text(child.remoteSelectors.join(', ')),
      })),
    ),
  ];
}

/** Earlier sessions, newest first. What is over has the same row for ever. */
export function historyTable(sessions: readonly Session[], status?: Status): Table {
  return {
    name: 'history',
    columns: COLUMNS.history,
    rows: sessions.map((session) => {
      if (session.endedAt === undefined) return historyRow(session, status);
      const row = past.get(session) ?? historyRow(session, undefined);
      past.set(session, row);
      return row;
    }),
  };
}

const past = new WeakMap<Session, Row>();

function historyRow(session: Session, status: Status | undefined): Row {
  return row('history', session.id, {
    startedAt: { kind: 'date', at: session.startedAt },
    profile: text(session.profile.name),
    gateway: text(session.gateway),
    length: lengthOf(session),
    bytesIn: count(bytesOf(session, status, 'bytesIn')),
    bytesOut: count(bytesOf(session, status, 'bytesOut')),
    virtualIps: text(session.virtualIps.join(', ')),
    endReason: reason(session),
  });
}

/** Of a session that goes on the helper was asked a while ago; the counters know more. */
function bytesOf(session: Session, status: Status | undefined, key: 'bytesIn' | 'bytesOut'): number {
  if (session.endedAt !== undefined || !status || !isUp(status.state) || status.profile?.id !== session.profile.id)
    return session[key];
  return Math.max(
    session[key],
    status.children.reduce((sum, child) => sum + child[key], 0),
  );
}

/** The oldest CHILD SA first: a successor stands beneath the one it replaces. */
function eachChild(status: Status, cells: (child: ChildStatus) => Cells): readonly (readonly [string, Cells])[] {
  return status.children
    .toSorted((a, b) => a.installedAt - b.installedAt)
    .map((child) => [`${child.spiIn}-${child.spiOut}`, cells(child)]);
}

const columns = (...keys: readonly ColumnKey[]): readonly Column[] => keys.map((key) => ({ key, figure: FIGURES.has(key) }));

const COLUMNS: Readonly<Record<TableName, readonly Column[]>> = {
  ike: columns('spiI', 'spiR', 'encryption', 'integrity', 'prf', 'keyExchange', 'age', 'rekey'),
  path: columns('localIdentity', 'remoteIdentity', 'login', 'local', 'gateway', 'nat', 'interface', 'mtu', 'rtt', 'offload'),
  traffic: columns('spiIn', 'spiOut', 'packetsIn', 'bytesIn', 'lastIn', 'packetsOut', 'bytesOut', 'lastOut'),
  drops: columns(
    'spiIn',
    'dropsReplay',
    'dropsIntegrity',
    'dropsSelector',
    'dropsMalformed',
    'dropsTooBig',
    'dropsCongestion',
    'dropsExhausted',
  ),
  strays: columns(...STRAYS),
  protection: columns('spiIn', 'encryption', 'integrity', 'backend', 'esn', 'age', 'rekey', 'localSelectors', 'remoteSelectors'),
  history: columns('startedAt', 'profile', 'gateway', 'length', 'bytesIn', 'bytesOut', 'virtualIps', 'endReason'),
};

type Cells = Partial<Record<ColumnKey, Value>>;

function table(name: TableName, rows: readonly (readonly [string, Cells])[]): Table {
  return { name, columns: COLUMNS[name], rows: rows.map(([key, cells]) => row(name, key, cells)) };
}

function row(name: TableName, key: string, cells: Cells): Row {
  return { key, cells: COLUMNS[name].map((column) => cells[column.key] ?? none) };
}

/** `ENCR_AES_GCM_16` with 256 is `AES_GCM_16-256`: the prefix is the registry's, the column says it already. */
export function algorithm(name: string, keyLength: number | undefined): string {
  const short = name.replace(/^(ENCR|AUTH|PRF)_/, '');
  return keyLength === undefined ? short : `${short}-${keyLength}`;
}

function integrity(name: string | undefined): Value {
  // RFC 7296 §3.3: a combined-mode cipher has no integrity algorithm of its own.
  return name === undefined || name === 'NONE' ? word('inCipher') : text(algorithm(name, undefined));
}

export function endpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** By the kernel's own names, as ethtool and udp(7) have them: the same that `sallyport status` shows. */
function offloadOf({ tun, socket }: KernelOffload): Value {
  const names = [
    tun.headers && 'TUN checksums',
    tun.tcp && 'TSO',
    tun.udp && 'USO',
    socket.segmentation && 'UDP GSO',
    socket.coalescing && 'UDP GRO',
  ].filter(Boolean);
  return names.length === 0 ? word('oneByOne') : text(names.join(', '));
}

function natWord(nat: { readonly local: boolean; readonly remote: boolean }): Word {
  if (nat.local && nat.remote) return 'natBoth';
  if (nat.local) return 'natLocal';
  return nat.remote ? 'natRemote' : 'natNone';
}

function last(at: number): Value {
  return at === 0 ? word('never') : { kind: 'ago', at };
}

function lengthOf(session: Session): Value {
  if (session.connectedAt === undefined) return none;
  if (session.endedAt === undefined) return since(session.connectedAt);
  return { kind: 'length', ms: session.endedAt - session.connectedAt };
}

function reason(session: Session): Value {
  if (session.endedAt === undefined) return word('goingOn');
  if (session.endReason === undefined) return word('unknown');
  if (session.endReason === 'user') return word('user');
  return session.endReason === 'engine-restarted' ? word('restarted') : { kind: 'reason', code: session.endReason };
}
