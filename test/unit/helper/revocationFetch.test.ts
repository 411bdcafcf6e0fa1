import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createRevocationFetch, type Reach, type RevocationFetchOptions, reachOf } from '../../../core/helper/revocationFetch.ts';
import { type RevocationServer, startRevocationServer } from '../../authority/revocationServer.ts';

/** 127.0.0.1 plays the world, 127.0.0.2 an office, ::1 this computer. */
const places: Readonly<Record<string, Reach>> = { '127.0.0.1': 'public', '127.0.0.2': 'private', '::1': 'local' };
const reach = (address: string): Reach => places[address] ?? 'local';
const names: Readonly<Record<string, readonly string[]>> = {
  'world.test': ['127.0.0.1'],
  'office.test': ['127.0.0.2'],
  'self.test': ['::1'],
  'both.test': ['::1', '127.0.0.1'],
  'dead.test': ['127.0.0.9', '127.0.0.1'],
};
const resolve: RevocationFetchOptions['resolve'] = async (name) => {
  const found = names[name] ?? (name.startsWith('127.') || name.includes(':') ? [name] : undefined);
  if (found === undefined) return { ok: false, error: 'no such name' };
  return { ok: true, value: found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })) };
};

let world: RevocationServer;
let office: RevocationServer;
const body = new Uint8Array([0x30, 3, 2, 1, 5]);

before(async () => {
  world = await startRevocationServer();
  office = await startRevocationServer({ host: '127.0.0.2', port: world.port });
  office.set('/crl', { kind: 'octets', body });
});
after(async () => {
  await world.close();
  await office.close();
});

/** Where it is about the limits themselves; elsewhere they are longer than a machine stands still. */
const SHORT = { connectWithin: 300, within: 1000 } as const;

/** The octets as hex, or the line about why not. */
async function get(path: string, more: RevocationFetchOptions = {}, post?: Uint8Array): Promise<string> {
  const fetch = createRevocationFetch({ resolve, reach, connectWithin: 10_000, within: 20_000, ...more });
  const url = path.startsWith('/') ? `http://world.test:${world.port}${path}` : path.replace('PORT', String(world.port));
  const need = { kind: 'fetch', what: post ? 'ocsp' : 'crl', url, ...(post && { body: post }) } as const;
  const got = await fetch(need, new AbortController().signal);
  return got.ok ? Buffer.from(got.value).toString('hex') : got.error;
}

test('a list is got and a request is posted, with no cookies and nothing about us', async () => {
  world.set('/list?a=b', { kind: 'octets', body, headers: { 'Set-Cookie': 'who=you' } });
  assert.equal(await get('/list?a=b'), '3003020105');
  assert.equal(await get('/list?a=b#part'), '3003020105');
  world.set('/ocsp', { kind: 'ocsp', answer: (request) => request.slice().reverse() });
  assert.equal(await get('/ocsp', {}, body), '0501020330');
  const [first, second, third] = world.requests.slice(-3);
  assert.deepEqual([first.method, second.path, third.method], ['GET', '/list?a=b', 'POST']);
  assert.deepEqual(Object.keys(second.headers).sort(), ['accept', 'connection', 'host']);
  assert.equal(second.headers.host, `world.test:${world.port}`);
  assert.equal(third.headers['content-type'], 'application/ocsp-request');
});

test('only http: other schemes are not fetched, neither first nor after a redirect', async () => {
  for (const url of [
    'https://world.test/',
    'file:///etc/passwd',
    'ftp://world.test/',
    'ldap://world.test/',
    'data:,x',
    'nonsense',
  ]) {
    assert.match(await get(url), /only http:|not an address/, url);
    world.set('/away', { kind: 'redirect', location: url });
    assert.match(await get('/away'), url === 'nonsense' ? /404/ : /only http:/, url);
  }
  assert.match(await get('http://user:word@world.test:PORT/crl'), /user/);
});

test('a certificate may name an office, but nothing of this computer or its link', async () => {
  assert.equal(await get('http://office.test:PORT/crl'), '3003020105');
  assert.match(await get('http://self.test:PORT/crl'), /self\.test leads to ::1/);
  assert.match(await get('http://[::1]:PORT/crl'), /leads to ::1/);
  assert.match(await get('http://[::ffff:127.0.0.1]:PORT/crl'), /leads to/);
  assert.match(await get('http://both.test:PORT/none'), /404/, 'the address that may be used is used');
});

test('a redirect from the world leads to no private address; within an office it may', async () => {
  const there = `http://office.test:${world.port}/crl`;
  world.set('/inwards', { kind: 'redirect', location: there });
  assert.match(await get('/inwards'), /office\.test leads to 127\.0\.0\.2/);
  office.set('/moved', { kind: 'redirect', location: '/crl' });
  assert.equal(await get('http://office.test:PORT/moved'), '3003020105');
  office.set('/out', { kind: 'redirect', location: `http://world.test:${world.port}/inwards` });
  assert.match(await get('http://office.test:PORT/out'), /leads to 127\.0\.0\.2/, 'not by way of the world either');
  world.set('/self', { kind: 'redirect', location: `http://self.test:${world.port}/crl` });
  assert.match(await get('/self'), /leads to ::1/);
});

test('the connection goes to the address that was judged: a name that changes changes nothing', async () => {
  let asked = 0;
  const rebinding: RevocationFetchOptions['resolve'] = async () => {
    asked += 1;
    return { ok: true, value: [{ address: asked === 1 ? '127.0.0.1' : '::1', family: 4 }] };
  };
  world.set('/rebind', { kind: 'octets', body });
  assert.equal(await get('/rebind', { resolve: rebinding }), '3003020105');
  assert.equal(asked, 1);
});

test('redirects are few', async () => {
  world.set('/loop', { kind: 'redirect', location: '/loop' });
  const before_ = world.requests.length;
  assert.match(await get('/loop'), /more than 3 redirects/);
  assert.equal(world.requests.length - before_, 4);
  world.set('/303', { kind: 'redirect', location: '/ocsp', status: 303 });
  assert.match(await get('/303', {}, body), /status 303/, 'a POST that would become a GET asks nothing');
  world.set('/307', { kind: 'redirect', location: '/ocsp', status: 307 });
  assert.equal(await get('/307', {}, body), '0501020330');
});

test('what is too long is not read on: 10 MB of a list, 64 kB of an answer, announced or not', async () => {
  for (const announced of [true, false]) {
    world.set('/huge', { kind: 'huge', octets: 100 << 20, announced });
    const before_ = process.memoryUsage().rss;
    assert.match(await get('/huge'), /more than 10485760 octets/);
    assert.match(await get('/huge', {}, body), /more than 65536 octets/);
    assert.ok(process.memoryUsage().rss - before_ < 90 << 20);
  }
});

test('what does not end, does not begin or does not connect is given up in time', async () => {
  world.set('/never-ends', { kind: 'never-ends' });
  world.set('/silent', { kind: 'silent' });
  world.set('/slow', { kind: 'slow', milliseconds: 5000, body });
  world.set('/headers', { kind: 'headers-without-end' });
  const started = performance.now();
  const all = await Promise.all(['/never-ends', '/silent', '/slow'].map((path) => get(path, SHORT)));
  assert.deepEqual(all, Array(3).fill('not there within 1 s'));
  assert.match(await get('/headers', SHORT), /HPE_HEADER_OVERFLOW|not there/);
  assert.match(await get('http://slow.test/', { ...SHORT, resolve: () => new Promise(() => undefined) }), /not there within 1 s/);
  assert.ok(performance.now() - started < 4000);
});

test('an address that does not take the connection is followed by the next one', async () => {
  world.set('/second', { kind: 'octets', body });
  const odd = (address: string): Reach => (address === '127.0.0.9' ? 'public' : reach(address));
  assert.equal(await get('http://dead.test:PORT/second', { reach: odd }), '3003020105');
  assert.match(await get('http://127.0.0.9:PORT/', { reach: odd }), /ECONNREFUSED/);
});

test('an answer that is cut short, compressed, empty or no success is none', async () => {
  world.set('/cut', { kind: 'cut-short', body });
  world.set('/gzip', { kind: 'octets', body, headers: { 'Content-Encoding': 'gzip' } });
  world.set('/empty', { kind: 'octets', body: new Uint8Array(0) });
  world.set('/503', { kind: 'octets', body, status: 503 });
  world.set('/reset', { kind: 'reset' });
  assert.match(await get('/cut'), /cut short/);
  assert.match(await get('/gzip'), /compressed/);
  assert.match(await get('/empty'), /empty/);
  assert.match(await get('/503'), /status 503/);
  assert.match(await get('/none'), /status 404/);
  assert.match(await get('/reset'), /ECONNRESET/);
});

test('giving up the connection gives up the fetch', async () => {
  const fetch = createRevocationFetch({ resolve, reach });
  const controller = new AbortController();
  const got = fetch({ kind: 'fetch', what: 'crl', url: `http://world.test:${world.port}/silent` }, controller.signal);
  setTimeout(() => controller.abort(), 50);
  assert.deepEqual(await got, { ok: false, error: 'given up' });
});

test('where addresses are', () => {
  const expected: Readonly<Record<Reach, string>> = {
    public: '8.8.8.8 172.15.0.1 172.32.0.1 100.128.0.1 2001:db8::1 2600::1 64:ff9b::808:808',
    private:
      '10.0.0.1 172.16.0.1 172.31.255.255 192.168.0.1 100.64.0.1 198.19.0.1 fd00::1 fec0::1 ::ffff:10.0.0.1 64:ff9b::a00:1',
    local:
      '127.0.0.1 0.0.0.0 169.254.169.254 224.0.0.1 255.255.255.255 :: ::1 fe80::1 ff02::1 ::ffff:127.0.0.1 2002:7f00:1:: x fe80::1%lo',
  };
  for (const [where, addresses] of Object.entries(expected))
    for (const address of addresses.split(' ')) assert.equal(reachOf(address), where, address);
});
