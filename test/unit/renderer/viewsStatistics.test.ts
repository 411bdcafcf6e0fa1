import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChildStatus, SessionRecord, Status } from '../../../core/rpc/contract.ts';
import { fileName, toCsv, toJson, toTabs } from '../../../renderer/views/statistics/export.ts';
import { counting, steadyTables } from '../../../renderer/views/statistics/steady.ts';
import { algorithm, connectionTables, endpoint, historyTable } from '../../../renderer/views/statistics/tables.ts';
import {
  type Columns,
  rateUnit,
  scaleEnd,
  slices,
  summarize,
  Throughput,
  Track,
} from '../../../renderer/views/statistics/throughput.ts';

const child = (more: Partial<ChildStatus> = {}): ChildStatus => ({
  spiIn: '0x00000001',
  spiOut: '0x00000002',
  encr: 'AES_GCM_16',
  keyLength: 256,
  integ: undefined,
  esn: true,
  localSelectors: ['10.3.0.2/32'],
  remoteSelectors: ['10.1.0.0/16', '10.2.0.0/16'],
  installedAt: 1000,
  packetsIn: 1,
  bytesIn: 100,
  packetsOut: 2,
  bytesOut: 200,
  lastIn: 5000,
  lastOut: 0,
  dropsReplay: 3,
  dropsIntegrity: 4,
  dropsSelector: 5,
  dropsMalformed: 6,
  dropsExhausted: 7,
  ...more,
});

const status = (more: Partial<Status> = {}): Status => ({
  state: 'connected',
  since: 0,
  otherUser: false,
  profile: { id: 'p', name: 'Office' },
  virtualIps: [],
  dns: [],
  domains: [],
  routes: [],
  steps: [],
  children: [child()],
  gateway: { name: 'vpn.office.test', address: '2001:db8::1', port: 4500 },
  local: { address: '192.0.2.9', port: 500 },
  nat: { local: true, remote: false },
  interface: { name: 'sally0', mtu: 1400 },
  ike: {
    spiI: '0123456789abcdef',
    spiR: 'fedcba9876543210',
    encr: 'AES_CBC',
    keyLength: 256,
    prf: 'PRF_HMAC_SHA2_256',
    integ: 'AUTH_HMAC_SHA2_256_128',
    ke: 'CURVE25519',
    establishedAt: 900,
    localIdentity: 'alice@office.test',
    remoteIdentity: 'vpn.office.test',
  },
  pathRtt: 17,
  ...more,
});

const columns = (): Columns => ({ at: [], up: [], down: [] });
const bytes = (bytesIn: number, bytesOut: number, more: Partial<ChildStatus> = {}) =>
  status({ children: [child({ bytesIn, bytesOut, ...more })] });

test('a steady stream is drawn steady although samples jitter', () => {
  const flow = new Throughput();
  let at = 1_000_000;
  flow.take(bytes(0, 0), at);
  const jitter = [430, 570, 520, 480, 610, 390];
  for (let i = 0; i < 60; i++) {
    at += jitter[i % jitter.length] ?? 500;
    // 1000 octets a millisecond upwards, half of it downwards.
    flow.take(bytes((at - 1_000_000) * 500, (at - 1_000_000) * 1000), at);
  }
  const into = columns();
  flow.read('minutes', at, into);
  const known = into.up.filter((value) => value !== null);
  assert.ok(known.length >= 59);
  for (const value of known) assert.ok(Math.abs(value - 1_000_000) < 1, String(value));
  for (const value of into.down) if (value !== null) assert.ok(Math.abs(value - 500_000) < 1, String(value));
});

test('what is not known is a gap: before connecting, while disconnected, and after a long silence', () => {
  const flow = new Throughput();
  flow.take(bytes(0, 0), 10_000);
  flow.take(bytes(0, 1000), 11_000);
  flow.take(status({ state: 'idle', since: 11_500, children: [] }), 11_500);
  flow.take(bytes(0, 0, { spiIn: '0x9' }), 15_000);
  flow.take(bytes(0, 2000, { spiIn: '0x9' }), 16_000);
  // Half a minute without a word.
  flow.take(bytes(0, 900_000, { spiIn: '0x9' }), 46_000);
  flow.take(bytes(0, 900_500, { spiIn: '0x9' }), 47_000);
  const into = columns();
  flow.read('minutes', 47_000, into);
  const { gaps, highestUp, known } = summarize(into);
  assert.equal(known, true);
  assert.equal(gaps, 2);
  assert.ok(Math.abs(highestUp - 2000) < 1e-6, 'what came in the silence is not a peak');
});

test('the counters of a successor begin at zero and count', () => {
  const flow = new Throughput();
  flow.take(bytes(5_000, 5_000), 0);
  flow.take(
    status({ children: [child({ bytesIn: 6_000, bytesOut: 6_000 }), child({ spiIn: '0x7', bytesIn: 500, bytesOut: 250 })] }),
    1000,
  );
  flow.take(status({ children: [child({ spiIn: '0x7', bytesIn: 1_500, bytesOut: 1_250 })] }), 2000);
  const into = columns();
  flow.read('minutes', 2000, into);
  const sum = (values: readonly (number | null)[]) => values.reduce<number>((total, value) => total + (value ?? 0) / 2, 0);
  assert.ok(Math.abs(sum(into.down) - 2_500) < 1e-6);
  assert.ok(Math.abs(sum(into.up) - 2_250) < 1e-6);
  assert.deepEqual(
    flow.marks.map(({ kind }) => kind),
    ['connected', 'rekeyed', 'rekeyed'],
  );
});

test('marks tell of the beginning, the end and a move to another network', () => {
  const flow = new Throughput();
  flow.take(status({ since: 500 }), 1000);
  flow.take(status({ since: 500, local: { address: '198.51.100.7', port: 4500 } }), 2000);
  flow.take(undefined, 3000);
  flow.take(status({ since: 500, local: { address: '198.51.100.7', port: 4500 } }), 4000);
  flow.take(status({ state: 'idle', since: 5000 }), 5000);
  flow.take(status({ state: 'idle', since: 5000 }), 6000);
  assert.deepEqual(flow.marks, [
    { kind: 'connected', at: 500 },
    { kind: 'moved', at: 2000 },
    { kind: 'disconnected', at: 5000 },
  ]);
  assert.deepEqual(flow.read('session', 90_000, columns()), { from: -25_000, to: 5000 }, 'a session ends where it ended');
});

test('memory is bounded and nothing is lost by growing coarser', () => {
  for (const growing of [true, false]) {
    const track = new Track(500, growing);
    const hours = 10 * 3_600_000;
    for (let at = 0; at < hours; at += 5000) track.add(at, at + 5000, 5000, 10_000);
    const into = columns();
    track.read(0, hours, into);
    assert.ok(into.at.length <= 600, String(into.at.length));
    if (!growing) continue;
    const seconds = track.bucketMs / 1000;
    const total = into.up.reduce<number>((sum, value) => sum + (value ?? 0) * seconds, 0);
    assert.ok(Math.abs(total - hours) < hours * 0.001, `${total}`);
    assert.ok(into.up.every((value) => value !== null && Math.abs(value - 1000) < 1e-6));
  }
});

test('one sample is one point, and reading writes into the same arrays', () => {
  const track = new Track(500, false);
  track.add(1000, 1200, 100, 0);
  const into = columns();
  const same = into.at;
  track.read(0, 2000, into);
  assert.equal(into.at, same);
  assert.deepEqual(into, { at: [1.25], up: [500], down: [0] });
  track.read(5000, 6000, into);
  assert.deepEqual(into, { at: [], up: [], down: [] });
});

test('the chart in words: averages over parts of the span', () => {
  const into: Columns = { at: [1, 2, 3, 4], up: [10, 30, null, null], down: [1, 3, null, null] };
  assert.deepEqual(slices(into, 0, 4000, 2), [
    { until: 2000, up: 20, down: 2 },
    { until: 4000, up: null, down: null },
  ]);
});

test('the scale ends at 1, 2 or 5 and its unit fits', () => {
  assert.deepEqual([0, 999, 1001, 2100, 5001, 99_999, Number.NaN].map(scaleEnd), [1000, 1000, 2000, 5000, 10_000, 100_000, 1000]);
  assert.deepEqual(
    [500, 5_000, 2e6, 3e9].map((end) => rateUnit(end).unit),
    ['B/s', 'kB/s', 'MB/s', 'GB/s'],
  );
});

test('tables have a value or a word in every cell, as many as columns', () => {
  const tables = connectionTables(status());
  assert.deepEqual(
    tables.map(({ name }) => name),
    ['ike', 'path', 'traffic', 'drops', 'protection'],
  );
  for (const { columns: cols, rows, name } of tables) for (const row of rows) assert.equal(row.cells.length, cols.length, name);
  const cell = (table: number, key: string) => {
    const found = tables[table];
    return found?.rows[0]?.cells[found.columns.findIndex((column) => column.key === key)];
  };
  assert.deepEqual(cell(0, 'encryption'), { kind: 'text', text: 'AES_CBC-256' });
  assert.deepEqual(cell(0, 'rekey'), { kind: 'word', word: 'notPlanned' });
  assert.deepEqual(cell(1, 'gateway'), { kind: 'text', text: '[2001:db8::1]:4500' });
  assert.deepEqual(cell(1, 'nat'), { kind: 'word', word: 'natLocal' });
  assert.deepEqual(cell(1, 'rtt'), { kind: 'count', count: 17 });
  assert.deepEqual(cell(2, 'lastOut'), { kind: 'word', word: 'never' });
  assert.deepEqual(cell(2, 'lastIn'), { kind: 'ago', at: 5000 });
  assert.deepEqual(cell(3, 'dropsSelector'), { kind: 'count', count: 5 });
  assert.deepEqual(cell(4, 'integrity'), { kind: 'word', word: 'inCipher' });
  assert.deepEqual(cell(4, 'remoteSelectors'), { kind: 'text', text: '10.1.0.0/16, 10.2.0.0/16' });
  assert.deepEqual(connectionTables(undefined), []);
  assert.equal(algorithm('ENCR_CHACHA20_POLY1305', undefined), 'CHACHA20_POLY1305');
  assert.equal(endpoint('192.0.2.1', 500), '192.0.2.1:500');
});

test('what the kernel does, who carries the SA and every drop; an older helper leaves gaps and no table', () => {
  const cell = (told: Status, name: string, key: string) => {
    const found = connectionTables(told).find((table) => table.name === name);
    return found?.rows[0]?.cells[found.columns.findIndex((column) => column.key === key)];
  };
  const all = { tun: { headers: true, tcp: true, udp: true }, socket: { segmentation: true, coalescing: true } };
  const none = { tun: { headers: false, tcp: false, udp: false }, socket: { segmentation: false, coalescing: false } };
  const told = status({
    offload: all,
    drops: { 'unknown-spi': 3, 'keepalive-in': 8, kernel: 0, 'queue-full': 4 },
    children: [child({ backend: 'ipsec-mb vaes_avx512', dropsTooBig: 8, dropsCongestion: 0 })],
  });
  assert.deepEqual(cell(told, 'path', 'offload'), { kind: 'text', text: 'TUN checksums, TSO, USO, UDP GSO, UDP GRO' });
  assert.deepEqual(cell(status({ offload: none }), 'path', 'offload'), { kind: 'word', word: 'oneByOne' });
  assert.deepEqual(cell(told, 'protection', 'backend'), { kind: 'text', text: 'ipsec-mb vaes_avx512' });
  assert.deepEqual(cell(told, 'drops', 'dropsTooBig'), { kind: 'count', count: 8 });
  assert.deepEqual(cell(told, 'drops', 'dropsCongestion'), { kind: 'count', count: 0 });
  assert.deepEqual(cell(told, 'strays', 'unknown-spi'), { kind: 'count', count: 3 });
  assert.deepEqual(cell(told, 'strays', 'kernel'), { kind: 'count', count: 0 });
  assert.deepEqual(cell(told, 'strays', 'queue-full'), { kind: 'count', count: 4 });
  assert.equal(cell(told, 'strays', 'keepalive-in'), undefined);
  const old = status();
  for (const [table, key] of [
    ['path', 'offload'],
    ['protection', 'backend'],
    ['drops', 'dropsTooBig'],
  ] as const)
    assert.deepEqual(cell(old, table, key), { kind: 'none' });
  assert.equal(
    connectionTables(old).some(({ name }) => name === 'strays'),
    false,
  );
});

test('a successor stands beneath the SA it replaces; a planned rekey is counted down', () => {
  const tables = connectionTables(
    status({ children: [child({ spiIn: '0x2', installedAt: 2000, rekeyAt: 9000 }), child({ spiIn: '0x1' })] }),
  );
  assert.deepEqual(
    tables[2]?.rows.map((row) => row.cells[0]),
    [
      { kind: 'text', text: '0x1' },
      { kind: 'text', text: '0x2' },
    ],
  );
  const protection = tables.find(({ name }) => name === 'protection');
  const rekey = protection?.columns.findIndex(({ key }) => key === 'rekey') ?? -1;
  assert.deepEqual(protection?.rows[1]?.cells[rekey], { kind: 'until', at: 9000 });
});

const session = (more: Partial<SessionRecord> = {}): SessionRecord => ({
  id: 's',
  owner: 1000,
  profile: { id: 'p', name: 'Office' },
  gateway: 'vpn.office.test',
  startedAt: 0,
  connectedAt: 100,
  endedAt: 60_100,
  virtualIps: ['10.3.0.2/32'],
  bytesIn: 1,
  bytesOut: 2,
  endReason: 'user',
  ...more,
});

test('sessions: how long, how much, why they ended', () => {
  const { endedAt: _ended, endReason: _reason, ...open } = session({ id: 'now' });
  const { connectedAt: _connected, ...never } = session({ id: 'never', endReason: 'gateway-silent' });
  const { rows, columns: cols } = historyTable([open, never, session({ endReason: 'engine-restarted' }), session()], status());
  const at = (key: string) => rows.map((row) => row.cells[cols.findIndex((column) => column.key === key)]);
  assert.deepEqual(at('endReason'), [
    { kind: 'word', word: 'goingOn' },
    { kind: 'reason', code: 'gateway-silent' },
    { kind: 'word', word: 'restarted' },
    { kind: 'word', word: 'user' },
  ]);
  assert.deepEqual(at('length'), [
    { kind: 'since', at: 100 },
    { kind: 'none' },
    { kind: 'length', ms: 60_000 },
    { kind: 'length', ms: 60_000 },
  ]);
  assert.deepEqual(at('bytesIn').slice(0, 2), [
    { kind: 'count', count: 100 },
    { kind: 'count', count: 1 },
  ]);
});

const names = {
  table: ({ name }: { readonly name: string }) => `T ${name}`,
  column: (table: { readonly columns: readonly { readonly key: string }[] }, index: number) => table.columns[index]?.key ?? '',
  word: ({ word }: { readonly word: string }) => `w ${word}`,
};

test('CSV keeps signs, quotes and lines, and never becomes a formula', () => {
  const table = historyTable([session({ profile: { id: 'p', name: '=HYPERLINK("http://x","a"),\nb' }, gateway: '@vpn' })]);
  const csv = toCsv([table], names);
  assert.ok(csv.startsWith('\ufeffT history\r\nstartedAt,profile,gateway,'));
  assert.ok(csv.includes(`,"'=HYPERLINK(""http://x"",""a""),\nb",'@vpn,60,1,2,10.3.0.2/32,w user\r\n`), csv);
  assert.ok(csv.includes('1970-01-01T00:00:00.000Z'));
  assert.equal(toTabs([table], names).split('\n')[2]?.split('\t').length, table.columns.length);
});

test('JSON is what the helper told, and its failure is not part of it', () => {
  const parsed = JSON.parse(toJson(status({ failure: { code: 'x', what: '', advice: '', evidence: 'alice' } }), [session()], 0));
  assert.equal(parsed.format, 'sallyport-statistics');
  assert.equal(parsed.at, '1970-01-01T00:00:00.000Z');
  assert.deepEqual(parsed.status.children[0].bytesIn, 100);
  assert.equal(parsed.status.failure, undefined);
  assert.deepEqual(parsed.sessions, [session()]);
  assert.equal(JSON.parse(toJson(undefined, [], 0)).status, null);
  assert.equal(fileName('statistics', 'csv', 0), 'sallyport-statistics-1970-01-01T000000.csv');
});

test('what did not change stays the same object; what did is new, row by row', () => {
  const before = connectionTables(status({ children: [child(), child({ spiIn: '0x00000003', installedAt: 2000 })] }));
  const again = connectionTables(status({ children: [child(), child({ spiIn: '0x00000003', installedAt: 2000 })] }));
  assert.equal(steadyTables(before, again), before);
  const moved = steadyTables(
    before,
    connectionTables(status({ children: [child({ bytesIn: 101 }), child({ spiIn: '0x00000003', installedAt: 2000 })] })),
  );
  const [ike, , traffic] = moved;
  assert.equal(ike, before[0]);
  assert.notEqual(traffic, before[2]);
  assert.notEqual(traffic?.rows[0], before[2]?.rows[0]);
  assert.equal(traffic?.rows[1], before[2]?.rows[1]);
  assert.deepEqual(steadyTables(before, []), []);
});

test('a session that is over has the same row for ever, and nothing in it counts', () => {
  const over = session({ endedAt: 9000 });
  const { endedAt: _, ...going } = session({ id: 'new' });
  const [first, second] = [historyTable([over]), historyTable([going, over], status())];
  assert.equal(first.rows[0], second.rows[1]);
  assert.equal(first.rows.some(counting), false);
  assert.equal(second.rows.some(counting), true);
});
