/** What every case works with: one lab, one strongSwan gateway, our client, and the judgements both sides must agree in. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Status } from '../../core/rpc/contract.ts';
import { reasons } from '../../core/tunnel/reasons.ts';
import { FreeRadius } from '../lab/freeradius.ts';
import { createLab, type Lab } from '../lab/lab.ts';
import { differences, type HostSnapshot, snapshot } from '../lab/snapshot.ts';
import { startStreamServer } from '../lab/stream.ts';
import { CONNECTION, type GatewayConfig, gatewayConfig, StrongSwan } from '../lab/strongswan.ts';
import { startTransferServer, transfer } from '../lab/transfer.ts';
import type { IkeSaFromGateway, SaList } from '../lab/vici.ts';
import { agree } from './agree.ts';
import { Client, type ProfileFields } from './client.ts';
import { startNameServers } from './names.ts';

export interface Case {
  /** `suite/name`. */
  readonly name: string;
  /** NAT on the router; default true. */
  readonly nat?: boolean;
  /** Returns a detail for the reader. Throws when something is not as it should be. */
  readonly run: (world: World) => Promise<string>;
}

export interface Connection {
  readonly status: Status;
  readonly sa: IkeSaFromGateway;
}

const IKE = 'aes256gcm16-prfsha384-x25519';
const ESP = 'aes256gcm16';
const ALICE = 'alice@office.test';
const SECRET = 'correct horse battery staple 17';
const MEGA = 1_000_000;

export class World {
  readonly lab: Lab;
  readonly gateway: StrongSwan;
  readonly client: Client;
  readonly radius: FreeRadius;
  readonly #before: HostSnapshot;
  #nat = true;
  #disturbed = false;
  #endings: (() => void)[] = [];

  private constructor(lab: Lab, gateway: StrongSwan, client: Client, before: HostSnapshot) {
    this.lab = lab;
    this.gateway = gateway;
    this.client = client;
    this.radius = new FreeRadius(lab.office);
    this.#before = before;
  }

  static async create(): Promise<World> {
    const lab = await createLab();
    const client = new Client(lab.laptop);
    const [gateway] = await Promise.all([
      StrongSwan.start(lab.office),
      startTransferServer(lab.intranet),
      startStreamServer(lab.intranet),
      startNameServers(lab),
      client.start(),
    ]);
    return new World(lab, gateway, client, await snapshot(lab.laptop));
  }

  async close(): Promise<void> {
    await this.client.stop();
    await this.gateway.stop();
    await this.radius.stop();
    await this.lab.close();
  }

  /** Readies both sides: only what a case varies is named. */
  async configure(gateway: Partial<GatewayConfig> = {}, profile: Partial<ProfileFields> = {}): Promise<void> {
    const { addresses } = this.lab;
    await this.gateway.load(
      gatewayConfig({
        ikeProposals: IKE,
        espProposals: ESP,
        gatewayId: addresses.names.gateway,
        secrets: { [ALICE]: SECRET },
        localTs: [addresses.networks.office4, addresses.networks.office6],
        pools: {
          v4: addresses.pool.v4,
          v6: addresses.pool.v6,
          dns: [addresses.intranet.dns4, addresses.intranet.dns6],
          domain: addresses.names.domain,
        },
        ...gateway,
      }),
      gateway.files,
    );
    await this.client.importProfile({
      gateway: addresses.office.wan4,
      localId: ALICE,
      remoteId: addresses.names.gateway,
      secret: SECRET,
      ikeProposals: [gateway.ikeProposals ?? IKE],
      espProposals: [gateway.espProposals ?? ESP],
      ...profile,
    });
  }

  /** `up` must succeed, and both sides must tell the same. */
  async connect(timeoutMs?: number): Promise<Connection> {
    const up = await this.client.up(timeoutMs);
    assert.equal(up.code, 0, `sallyport up: ${up.stdout}${up.stderr}`);
    return this.agreed();
  }

  /** Both sides as they are now, compared field by field. */
  async agreed(): Promise<Connection> {
    const [status, sas] = await Promise.all([this.client.status(), this.gateway.listSas()]);
    const sa = established(sas);
    assert.deepEqual(agree(status, sa), []);
    return { status, sa };
  }

  /** `up` must fail for this reason, with its exit code, and say so in one line of words. */
  async refused(code: keyof typeof reasons): Promise<string> {
    const up = await this.client.up();
    const { failure, state } = await this.client.status();
    assert.equal(failure?.code, code, `failure ${JSON.stringify(failure)}; up said ${up.stdout}${up.stderr}`);
    assert.equal(up.code, reasons[code].exitCode, `${up.stdout}${up.stderr}`);
    assert.equal(state, 'failed');
    assert.doesNotMatch(`${up.stdout}${up.stderr}`, /\n\s+at /, 'no stack trace');
    return failure?.evidence ?? '';
  }

  /** A stored answer is refused, and nobody is at the terminal to give another: one of these, with its exit code. */
  async unanswered(...codes: readonly (keyof typeof reasons)[]): Promise<string> {
    const up = await this.client.up();
    const said: { readonly error?: { readonly code: keyof typeof reasons; readonly detail: string } } = JSON.parse(
      up.stdout || up.stderr,
    );
    const code = said.error?.code;
    assert.ok(code !== undefined && codes.includes(code), `${up.stdout}${up.stderr}`);
    assert.equal(up.code, reasons[code].exitCode, `${up.stdout}${up.stderr}`);
    assert.equal((await this.client.status()).state, 'idle');
    return `${code}: ${said.error?.detail}`;
  }

  /** Three echoes, one after the other: a burst would be judged by twice the time of the first answer. */
  async ping(address: string = this.lab.addresses.intranet.web4): Promise<void> {
    for (let sent = 0; sent < 3; sent++) {
      const pinged = await this.lab.laptop.exec(['ping', '-n', '-c', '1', '-W', '5', address]);
      assert.equal(pinged.code, 0, `ping ${address}: ${pinged.stdout}${pinged.stderr}`);
    }
  }

  /** Both ways, each with its checksum. */
  async carry(megabytes: number, address: string = this.lab.addresses.intranet.web4): Promise<string> {
    const rates: string[] = [];
    for (const direction of ['down', 'up'] as const) {
      const done = await transfer(this.lab.laptop, direction, address, megabytes * MEGA, 60_000 + megabytes * 500);
      assert.ok(done.ok, `transfer ${JSON.stringify(done)}`);
      assert.equal(done.octets, megabytes * MEGA);
      rates.push(`${direction} ${Math.round((megabytes * 8_000) / Math.max(done.milliseconds, 1))}`);
    }
    return `${megabytes} MB ${rates.join(', ')} Mbit/s`;
  }

  /** Up, some traffic, down; the line in which the gateway tells how somebody was proven. */
  async proves(pattern: RegExp): Promise<string> {
    const from = this.gateway.logSize();
    await this.connect();
    await this.ping();
    const lines = this.gateway.log(from).split('\n');
    const line = lines.find((each) => pattern.test(each));
    assert.ok(line !== undefined, `the gateway's log has no ${pattern}`);
    await this.disconnect();
    return line.replace(/^\S+ \S+ ?/, '');
  }

  /** `down`, and the gateway has heard of it. */
  async disconnect(): Promise<void> {
    const down = await this.client.down();
    assert.equal(down.code, 0, `sallyport down: ${down.stdout}${down.stderr}`);
    await this.eventually('the gateway hears the DELETE', () => this.#gatewayIsIdle(), 20_000);
  }

  /** Asks until it holds, for at most so long; no test depends on how fast the machine is. */
  async eventually<T>(what: string, ask: () => Promise<T | undefined>, withinMs: number): Promise<T> {
    const until = Date.now() + withinMs;
    for (;;) {
      const answer = await ask();
      if (answer !== undefined) return answer;
      if (Date.now() > until) throw new Error(`not within ${withinMs} ms: ${what}`);
      await sleep(100);
    }
  }

  /** The tunnel has ended by itself for this reason. */
  async ended(code: keyof typeof reasons, withinMs: number): Promise<string> {
    const status = await this.eventually(
      `the tunnel ends with ${code}`,
      async () => {
        const now = await this.client.status();
        return now.state === 'failed' || now.state === 'idle' ? now : undefined;
      },
      withinMs,
    );
    assert.equal(status.failure?.code, code, JSON.stringify(status.failure));
    return status.failure?.evidence ?? '';
  }

  async #gatewayIsIdle(): Promise<true | undefined> {
    return done(await this.gateway.listSas()).length === 0 ? true : undefined;
  }

  /** Loss and the like; ended with the case. */
  async impair(...args: Parameters<Lab['impair']>): Promise<void> {
    this.#disturbed = true;
    await this.lab.impair(...args);
  }

  /** To be done after the case, whatever becomes of it. */
  atEnd(end: () => void): void {
    this.#endings.push(end);
  }

  async prepare(nat: boolean): Promise<void> {
    if (nat === this.#nat) return;
    await this.lab.setNat(nat);
    this.#nat = nat;
  }

  /** After a case, whatever it did: no tunnel, no impairment. Returns what the client left behind on the laptop. */
  async tidy(): Promise<string[]> {
    for (const end of this.#endings) end();
    this.#endings = [];
    if (this.#disturbed) await this.lab.impair({});
    this.#disturbed = false;
    await this.client.down();
    if ((await this.gateway.listSas()).length > 0) await this.gateway.swanctl(['--terminate', '--ike', CONNECTION, '--force']);
    return differences(this.#before, await snapshot(this.lab.laptop));
  }
}

function established(sas: SaList): IkeSaFromGateway {
  const [sa, ...more] = done(sas);
  assert.equal(more.length, 0, `the gateway has ${more.length} IKE SAs too many`);
  assert.ok(sa !== undefined, 'the gateway has no IKE SA');
  assert.equal(sa.state, 'ESTABLISHED');
  return sa;
}

/** Others may be half open: see halfOpen.ts, and what was refused after IKE_SA_INIT is so for half a minute. */
function done(sas: SaList): SaList {
  return sas.filter(({ state }) => state !== 'CONNECTING');
}
