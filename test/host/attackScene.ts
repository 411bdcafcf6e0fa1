/** The attacked laptop: a lab with an office that can misbehave in every way, the helper, and a profile for each kind of user. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectRpc, type RpcClient } from '../../core/rpc/client.ts';
import type { Status } from '../../core/rpc/contract.ts';
import { reasons } from '../../core/tunnel/reasons.ts';
import { authority } from '../authority/authority.ts';
import { DAY } from '../authority/certificate.ts';
import type { RevocationMainAnswer } from '../authority/revocationMain.ts';
import type { Attack, AttackedClient, ProposalClient } from '../gateway/attack.ts';
import { PASSWORD, USER } from '../gateway/credentials.ts';
import { type JsonProcess, startJson } from '../gateway/jsonProcess.ts';
import { REVOKED, WEB } from '../gateway/misbehaveChain.ts';
import type { MisbehaviourName } from '../gateway/misbehaviours.ts';
import { buildStage, type Stage } from '../lab/demo/stage.ts';
import { differences, type HostSnapshot, snapshot } from '../lab/snapshot.ts';

const SUBJECT = 'CN=Office Root';
const NAME = 'vpn.office.test';
const LOGIN = 'radius.office.test';
/** Short enough to be warned of. */
const KEY = { identity: 'bob@office.test', psk: 'fourteen chars' } as const;
const REVOCATION_MAIN = join(import.meta.dirname, '..', 'authority', 'revocationMain.ts');

const root = authority.root({ subject: SUBJECT, key: 'rsa' });
const stranger = authority.root({ subject: SUBJECT });
const office = root.issue({ subject: `CN=${NAME}`, san: [`dns:${NAME}`], eku: ['serverAuth'], key: 'rsa' });
const user = root.issue({ subject: 'CN=Alice', san: [`email:${USER}`], eku: ['clientAuth'] });
const loginRoot = authority.root({ subject: 'CN=Login Root' });
const login = loginRoot.issue({ subject: 'CN=radius', san: [`dns:${LOGIN}`], eku: ['serverAuth'] });
const base64 = (octets: Uint8Array): string => Buffer.from(octets).toString('base64');

const stored = { method: 'eap', methods: ['mschapv2'], identity: USER, password: PASSWORD };
const trusted = { method: 'certificate', authorities: [root.pem] };
const own = { certificate: user.pem, key: user.key.pkcs8Pem };
const server = { serverName: LOGIN, authorities: [loginRoot.pem] };
const byTls = { method: 'eap', methods: ['tls'], ...own, ...server };

const asking = (...ikeProposals: string[]) => ({
  auth: { method: 'eap', methods: ['mschapv2'] },
  gatewayAuth: trusted,
  ikeProposals,
});
const proposals: Readonly<Record<ProposalClient, object>> = {
  cbc: asking('aes256-sha256-x25519'),
  x25519: asking('aes256gcm16-prfsha256-x25519'),
  x448: asking('aes256gcm16-prfsha256-x448'),
  ecp256: asking('aes256gcm16-prfsha256-ecp256'),
  ecp384: asking('aes256gcm16-prfsha256-ecp384'),
  ecp521: asking('aes256gcm16-prfsha256-ecp521'),
  modp2048: asking('aes256gcm16-prfsha256-modp2048'),
  modp4096: asking('aes256gcm16-prfsha256-modp4096'),
  'two-groups': asking('aes256gcm16-prfsha256-x25519-modp2048'),
  hybrid: asking('aes256gcm16-prfsha256-x25519-ke1_mlkem768'),
  'hybrid-twice': asking('aes256gcm16-prfsha256-x25519-ke1_mlkem768-ke2_mlkem768-ke2_none'),
};

const clients: Readonly<Record<AttackedClient, object>> = {
  ...proposals,
  asks: { auth: { method: 'eap', methods: ['mschapv2'] }, gatewayAuth: trusted },
  stored: { auth: stored, gatewayAuth: trusted },
  'udp-only': { auth: stored, gatewayAuth: trusted, tcp: 'never' },
  strict: {
    auth: { method: 'eap', methods: ['mschapv2'] },
    gatewayAuth: { ...trusted, revocation: { crl: true, ocsp: true, strict: true } },
  },
  tls: { auth: byTls, gatewayAuth: trusted },
  peap: { auth: { ...stored, methods: ['peap'], ...server }, gatewayAuth: trusted },
  alone: { auth: byTls, gatewayAuth: { method: 'eap-only' } },
  // MSCHAPv2 proves no gateway: it is left to PEAP.
  'alone-by-password': { auth: { ...stored, methods: ['mschapv2', 'peap'], ...server }, gatewayAuth: { method: 'eap-only' } },
  key: { localId: KEY.identity, auth: { method: 'psk', secret: KEY.psk }, gatewayAuth: trusted },
  // The login server comes from an authority that is trusted, but for IKE; the gateway from one that is trusted, but for EAP.
  'ike-authority-for-eap': {
    auth: { ...byTls, authorities: [root.pem] },
    gatewayAuth: { ...trusted, authorities: [root.pem, loginRoot.pem] },
  },
  'eap-authority-for-ike': {
    auth: { ...byTls, authorities: [root.pem, loginRoot.pem] },
    gatewayAuth: { ...trusted, authorities: [loginRoot.pem] },
  },
  'login-name': { auth: { ...byTls, serverName: 'elsewhere.office.test' }, gatewayAuth: trusted },
  'esp-cbc': { auth: stored, gatewayAuth: trusted, espProposals: ['aes256-sha256'] },
  split: { auth: stored, gatewayAuth: trusted, remoteNetworks: ['10.10.0.0/16'] },
};

/** What the router serves: the promises of misbehaveChain.ts. */
function lists(): Readonly<Record<string, RevocationMainAnswer>> {
  const octets = (list: Uint8Array): RevocationMainAnswer => ({ kind: 'octets', base64: base64(list) });
  const old = { thisUpdate: new Date(Date.now() - 400 * DAY), nextUpdate: new Date(Date.now() - 365 * DAY) };
  return {
    '/revoked.crl': octets(root.crl({ revoked: [{ serial: REVOKED }] }).der),
    '/somebody-else.crl': octets(stranger.crl().der),
    '/out-of-date.crl': octets(root.crl(old).der),
    '/too-large.crl': { kind: 'huge', octets: 11 << 20, announced: false },
    '/without-end.crl': { kind: 'never-ends' },
    '/for-ever.crl': { kind: 'redirect', location: `${WEB}/for-ever.crl` },
    '/to-file.crl': { kind: 'redirect', location: 'file:///etc/passwd' },
    '/to-https.crl': { kind: 'redirect', location: 'https://198.51.100.1:8080/good.crl' },
    '/inside.crl': { kind: 'redirect', location: 'http://192.168.77.1:8080/good.crl' },
    '/loopback.crl': { kind: 'redirect', location: 'http://127.0.0.1:8080/good.crl' },
    '/good.crl': octets(root.crl().der),
  };
}

export class AttackScene {
  readonly #stage: Stage;
  readonly #web: JsonProcess;
  /** On the laptop itself, where nobody must be led to. */
  readonly #ownWeb: JsonProcess;
  readonly #rpc: RpcClient;
  readonly #clean: HostSnapshot;

  private constructor(stage: Stage, web: JsonProcess, ownWeb: JsonProcess, rpc: RpcClient, clean: HostSnapshot) {
    this.#stage = stage;
    this.#web = web;
    this.#ownWeb = ownWeb;
    this.#rpc = rpc;
    this.#clean = clean;
  }

  static async open(): Promise<AttackScene> {
    const proof = { chain: office.chain.map(base64), key: base64(office.pkcs8) };
    const stage = await buildStage(
      {
        reach: 'split',
        identity: NAME,
        certificate: { ...proof, authority: { subject: SUBJECT, key: base64(root.pkcs8) } },
        userAuthorities: [base64(root.der)],
        users: [{ identity: USER, proofs: ['eap'] }, KEY],
        eapOnly: true,
        eap: {
          methods: ['mschapv2', 'tls', 'peap'],
          users: { [USER]: { password: PASSWORD } },
          tls: { chain: login.chain.map(base64), key: base64(login.pkcs8), userAuthority: base64(root.der) },
        },
        // So that what is done to a rare group is done to that group.
        ikeProposals: ['default', 'aes256gcm16-prfsha256-x448-ecp521-modp4096', 'aes256-sha256-x25519'],
        espProposals: ['default', 'aes256-sha256'],
      },
      () => {},
    );
    const serve = (namespace: Stage['lab']['laptop'], host: string) => {
      const argument = JSON.stringify({ host, port: 8080, answers: lists() });
      return startJson(namespace, [process.execPath, REVOCATION_MAIN, argument], 'the web');
    };
    const [web, ownWeb] = await Promise.all([serve(stage.lab.router, '0.0.0.0'), serve(stage.lab.laptop, '127.0.0.1')]);
    const rpc = await connectRpc({ socket: stage.socket, client: 'test' });
    if (!rpc.ok) throw new Error(rpc.error.detail);
    const scene = new AttackScene(stage, web, ownWeb, rpc.value, await snapshot(stage.lab.laptop));
    for (const [name, more] of Object.entries(clients)) await scene.#import(name, more);
    return scene;
  }

  /** Runs one, and says everything that it must not have come to. */
  async suffer({ by, told, hears, client, evidence, fetches = [], silent = false }: Attack): Promise<void> {
    await this.#misbehave(by);
    const began = performance.now();
    const tried = await this.#stage.cli('--json', 'up', client, '--timeout', String(silent ? 42 : 25));
    const took = performance.now() - began;
    const words = `${tried.stdout}${tried.stderr}`;
    const { error } = JSON.parse(tried.stdout) as { readonly error?: { readonly code: string; readonly detail: string } };
    assert.equal(error?.code ?? 'connected', told, words);
    if (evidence) assert.match(words, evidence);
    const { exitCode } = told === 'connected' ? { exitCode: 0 } : reasons[told];
    assert.equal(tried.code, exitCode);
    assert.ok(took < (silent ? SILENCE : WITHIN), `it took ${Math.round(took)} ms`);
    await this.#leftNothing(told, client);
    const heard = await this.#heard();
    assert.deepEqual(heard.learned, hears, `EAP types ${heard.types}`);
    assert.ok(heard.datagrams < DATAGRAMS, `${heard.datagrams} datagrams`);
    assert.deepEqual([await drain(this.#web), await drain(this.#ownWeb)], [fetches, []]);
  }

  async close(): Promise<void> {
    this.#rpc.close();
    await Promise.all([this.#web.stop(), this.#ownWeb.stop()]);
    await this.#stage.close();
  }

  async #import(name: string, more: object): Promise<void> {
    const gateway = this.#stage.lab.addresses.names.gateway;
    const profile = { sallyport: 1, name, uuid: randomUUID(), gateway, localId: USER, remoteId: NAME, ...more };
    const file = join(this.#stage.folder, `${name}.json`);
    writeFileSync(file, JSON.stringify(profile), { mode: 0o600 });
    const imported = await this.#stage.cli('--json', 'import', file);
    assert.equal(imported.code, 0, imported.stdout + imported.stderr);
  }

  async #misbehave(names: readonly MisbehaviourName[]): Promise<void> {
    const { gateway } = this.#stage.office;
    gateway.send({ do: 'misbehave', names });
    assert.deepEqual((await gateway.next(({ event }) => event === 'misbehaving', 5_000)).names, names);
  }

  /** The helper has come to rest, asks nothing, and the computer is as it was. */
  async #leftNothing(told: Attack['told'], client: AttackedClient): Promise<void> {
    const status = await this.#status();
    assert.equal(status.prompt, undefined);
    assert.equal(status.state === 'connected', told === 'connected', status.state);
    if (told === 'connected') {
      assert.ok(status.dns.length <= 16, `${status.dns.length} DNS servers`);
      if (client === 'split') assert.deepEqual(status.routes, ['10.10.0.0/16'], 'no more than was asked for');
      assert.equal(status.warnings?.some(({ code }) => code === 'psk-short') ?? false, client === 'key');
      assert.equal((await this.#stage.cli('down')).code, 0);
      assert.equal((await this.#status()).state, 'idle');
    } else {
      // A wrong password could be asked for again; a command line without a terminal ends it itself.
      assert.deepEqual([status.failure?.code, status.state], told === 'password-wrong' ? [undefined, 'idle'] : [told, 'failed']);
    }
    assert.deepEqual(differences(this.#clean, await snapshot(this.#stage.lab.laptop)), []);
  }

  async #status(): Promise<Status> {
    const asked = await this.#rpc.call('tunnel.status', {});
    if (!asked.ok) throw new Error(asked.error.detail);
    return asked.value;
  }

  async #heard(): Promise<{ learned: Attack['hears']; types: string; datagrams: number }> {
    const { gateway } = this.#stage.office;
    gateway.send({ do: 'heard' });
    const line = await gateway.next(({ event }) => event === 'heard', 5_000);
    const types = line.eap as readonly number[];
    // RFC 3748 §5: identity, notification and NAK tell who asks and what he does not want.
    const learned = types.some((type) => type > 3) ? 'proof' : types.length > 0 ? 'name' : 'nothing';
    return { learned, types: types.join(' '), datagrams: Number(line.datagrams) };
  }
}

/** Milliseconds from the command to its end; the longest is the six seconds a fetch may take. */
const WITHIN = 15_000;
/** The same of an attack that leads into silence: until the client gives up. */
const SILENCE = 45_000;
/** EAP with fragments takes some twenty. */
const DATAGRAMS = 150;

/** The paths that were asked for and that nobody has looked at yet. */
async function drain(web: JsonProcess): Promise<readonly unknown[]> {
  const paths: unknown[] = [];
  for (;;) {
    try {
      paths.push((await web.next((line) => line.path !== undefined, 0)).path);
    } catch {
      return paths;
    }
  }
}
