/**
 * Gateways that are not strongSwan: Libreswan 4.10 and OpenIKED 7.2, as Debian 12 has them, in its place in the office. This kernel has no ESP,
 * so no packet passes; what is judged is that our status says connected, with the addresses and networks that were given, that the
 * daemon's log says the same, and that both have the same new keys after a rekeying.
 */
import assert from 'node:assert/strict';
import type { Status } from '../../../core/rpc/contract.ts';
import type { KeyName } from '../../authority/keys.ts';
import { addresses, devices } from '../../lab/addresses.ts';
import { LIBRESWAN_CONNECTION, Libreswan, type LibreswanConfig } from '../../lab/libreswan.ts';
import { OpenIked } from '../../lab/openiked.ts';
import { whyNot } from '../../lab/unpacked.ts';
import type { ProfileFields } from '../client.ts';
import { isNew } from '../keys.ts';
import { ALICE, certificateProfile, eapProfile, entity, office, PASSWORD } from '../office.ts';
import type { Case, World } from '../world.ts';

const SECRET = 'correct horse battery staple 17';
const { names, networks, pool, intranet } = addresses;
const GROUPS = { ikeProposals: ['aes256gcm16-prfsha384-x25519'], espProposals: ['aes256gcm16'] };

/** What both daemons have for the cases. */
interface Daemon {
  readonly log: string;
  stop(): Promise<void>;
}

/** In place of strongSwan, which is back afterwards. What the daemon said goes with what went wrong. */
async function instead<D extends Daemon>(
  world: World,
  start: () => Promise<D>,
  run: (daemon: D) => Promise<string>,
): Promise<string> {
  await world.gateway.kill();
  let daemon: D | undefined;
  try {
    daemon = await start();
    return await run(daemon);
  } catch (error) {
    const said = daemon?.log.trimEnd().split('\n').slice(-12).join('\n');
    throw new Error(`${error instanceof Error ? error.message : String(error)} | ${said}`);
  } finally {
    // The program of the command line takes its time to start.
    await world.client.call('tunnel.down', {}).catch(() => {});
    await daemon?.stop();
    await world.gateway.restart();
  }
}

async function prepare(world: World, profile: Partial<ProfileFields>): Promise<void> {
  await world.client.importProfile({
    ...{ gateway: addresses.office.wan4, localId: ALICE, remoteId: names.gateway },
    // Not what usually is: the defaults of both sides have to fit.
    ...{ ikeProposals: ['default'], espProposals: ['default'] },
    ...(profile.auth ? {} : { secret: SECRET }),
    ...profile,
  });
}

async function connected(world: World, profile: Partial<ProfileFields>): Promise<Status> {
  await prepare(world, profile);
  const up = await world.client.up();
  assert.equal(up.code, 0, `sallyport up: ${up.stdout}${up.stderr}`);
  const status = await world.client.call('tunnel.status', {});
  assert.equal(status.state, 'connected');
  assert.equal(status.ike?.remoteIdentity, names.gateway);
  return status;
}

async function heard(world: World, daemon: Daemon, pattern: RegExp, withinMs = 3_000): Promise<string> {
  return world.eventually(`${pattern} in its log`, async () => pattern.exec(daemon.log)?.[0], withinMs);
}

async function renewed(world: World, what: 'ike' | 'child', ask: () => Promise<unknown>): Promise<Status> {
  const before = await world.client.call('tunnel.status', {});
  await ask();
  return world.eventually(
    `new keys of the ${what} SA, and nothing old`,
    async () => {
      const now = await world.client.call('tunnel.status', {});
      return isNew(what, before, now) && now.children.length === 1 ? now : undefined;
    },
    10_000,
  );
}

const byUs = (world: World, what: 'ike' | 'child') => renewed(world, what, () => world.client.call('tunnel.rekey', { what }));

/** To another address of its network and back. */
async function moved(world: World, check: () => Promise<unknown>): Promise<void> {
  const { laptop } = world.lab;
  const eth = devices.laptop;
  const other = '192.168.77.9';
  const move = (from: string, to: string) =>
    laptop.ip([
      `addr del ${from}/24 dev ${eth}`,
      `addr add ${to}/24 dev ${eth}`,
      `route add default via ${addresses.router.lan4}`,
    ]);
  await move(addresses.laptop.v4, other);
  try {
    await check();
  } finally {
    await move(other, addresses.laptop.v4);
  }
}

function known(status: Status): string {
  const { ike } = status;
  return `${ike?.encr} ${ike?.ke}, ${status.virtualIps.join(' ')}, ${status.routes.join(' ')}`;
}

// --- Libreswan -----------------------------------------------------------------------------------------------------------------------

interface LibreswanSetting extends Omit<LibreswanConfig, 'connection' | 'authorities' | 'own'> {
  readonly connection?: LibreswanConfig['connection'];
  readonly own?: KeyName;
}

/** A pre-shared key, or certificates where it has one of its own. Its defaults but for what is said: `pfs=yes` is one. */
function libreswan(name: string, setting: LibreswanSetting, run: (world: World, daemon: Libreswan) => Promise<string>): Case {
  const { connection, secrets = `@${names.gateway} ${ALICE} : PSK "${SECRET}"\n`, own, options = [] } = setting;
  const proof = own
    ? { leftcert: 'gateway', leftsendcert: 'always', rightid: '%fromcert' }
    : { authby: 'secret', rightid: ALICE };
  const config = (): LibreswanConfig => ({
    connection: {
      ...{ left: addresses.office.wan4, leftid: `@${names.gateway}`, leftsubnet: networks.office4 },
      ...{ right: '%any', rightaddresspool: '10.10.99.10-10.10.99.99', modecfgdns: intranet.dns4, modecfgdomains: names.domain },
      ...{ ikev2: 'insist', narrowing: 'yes', mobike: 'yes', ...proof, ...connection },
    },
    ...{ secrets, options, authorities: [office().root] },
    // Keys take their time to make.
    ...(own && { own: entity('gateway', own) }),
  });
  const start = (world: World) => () => Libreswan.start(world.lab.office, config());
  return { name: `others/libreswan-${name}`, run: (world) => instead(world, start(world), (daemon) => run(world, daemon)) };
}

const ESTABLISHED = /responder established Child SA using #\d+/;

const ofLibreswan: readonly Case[] = [
  libreswan('defaults', {}, async (world, daemon) => {
    const status = await connected(world, {});
    await heard(world, daemon, ESTABLISHED);
    assert.deepEqual([status.virtualIps, status.dns], [['10.10.99.10/32'], [intranet.dns4]]);
    assert.deepEqual([status.routes, status.domains], [[networks.office4], [names.domain]]);
    // Of all groups that we offer, those that it takes of each.
    await byUs(world, 'child');
    await byUs(world, 'ike');
    await heard(world, daemon, /responder rekeyed Child SA/);
    await heard(world, daemon, /responder rekeyed IKE SA/);
    return known(status);
  }),
  libreswan(
    'wants-pfs-of-a-profile-without',
    { connection: { ike: 'aes_gcm256-sha2_384-dh31', esp: 'aes_gcm256' } },
    async (world, daemon) => {
      await connected(world, GROUPS);
      await byUs(world, 'child');
      await renewed(world, 'child', () => daemon.whack('--rekey-ipsec', '--name', LIBRESWAN_CONNECTION, '--asynchronous'));
      await heard(world, daemon, /initiator rekeyed Child SA[^\n]*DH31/);
      await renewed(world, 'ike', () => daemon.whack('--rekey-ike', '--name', LIBRESWAN_CONNECTION, '--asynchronous'));
      return heard(world, daemon, /initiator rekeyed IKE SA[^\n]*/);
    },
  ),
  libreswan('has-more-networks-than-asked-for', { connection: { leftsubnet: '0.0.0.0/0' } }, async (world, daemon) => {
    const status = await connected(world, { remoteNetworks: [networks.office4] });
    await heard(world, daemon, /IPsec tunnel \[0\.0\.0\.0-255\.255\.255\.255/);
    assert.deepEqual(status.routes, [networks.office4]);
    const { children } = await byUs(world, 'child');
    assert.deepEqual(children[0]?.remoteSelectors, [networks.office4]);
    return known(status);
  }),
  libreswan('has-other-networks', {}, async (world) => {
    await prepare(world, { remoteNetworks: ['10.20.0.0/16'] });
    return world.refused('ts-unacceptable');
  }),
  libreswan('wrong-key', {}, async (world) => {
    await prepare(world, { secret: 'not that one, but as long as it' });
    const evidence = await world.refused('authentication-failed');
    assert.match(evidence, /IDi alice@office\.test and IDr vpn\.office\.test/);
    return evidence;
  }),
  libreswan('under-load', { options: ['--force-busy'] }, async (world, daemon) => {
    const status = await connected(world, {});
    await heard(world, daemon, ESTABLISHED);
    const lines = (await world.client.log(200)).filter(({ text }) => /COOKIE|cookie/.test(`${text}`));
    return `${known(status)}; ${lines.at(-1)?.text ?? ''}`;
  }),
  libreswan('rsa-4096-in-fragments', { own: 'rsa4096', connection: { fragmentation: 'force' } }, async (world, daemon) => {
    const status = await connected(world, certificateProfile(entity('alice', 'rsa4096')));
    await heard(world, daemon, /authenticated peer '4096-bit RSASSA-PSS with SHA2_256' digital signature/);
    return known(status);
  }),
  libreswan('ecdsa-p384', { own: 'p384', connection: { authby: 'ecdsa' } }, async (world, daemon) => {
    const status = await connected(world, certificateProfile(entity('alice', 'p384')));
    await heard(world, daemon, /authenticated peer 'P-384 ECDSA with SHA2_384' digital signature/);
    return known(status);
  }),
  libreswan(
    'post-quantum-key',
    {
      connection: { ppk: 'insist' },
      secrets: `@${names.gateway} ${ALICE} : PSK "${SECRET}"\n@${names.gateway} ${ALICE} : PPKS "office" "0123456789abcdef0123456789abcdef"\n`,
    },
    async (world, daemon) => {
      const ppk = { id: 'office', secret: '0123456789abcdef0123456789abcdef', required: true };
      const status = await connected(world, { ppk });
      await heard(world, daemon, /PPK AUTH calculated as responder/);
      return known(status);
    },
  ),
  libreswan('follows-a-move', {}, async (world, daemon) => {
    const status = await connected(world, {});
    await moved(world, () => heard(world, daemon, /success MOBIKE update remote address/, 5_000));
    return known(status);
  }),
];

// --- OpenIKED ------------------------------------------------------------------------------------------------------------------------

interface OpenIkedSetting {
  readonly own?: KeyName;
  /** Words of the policy, iked.conf(5). */
  readonly flows?: string;
  readonly auth?: string;
  readonly config?: string;
  readonly lifetime?: string;
  readonly profile?: Partial<ProfileFields>;
}

/** By certificates unless the words for it say something else. Of ESP it has no AEAD and no SHA-2 here: those are Linux's PF_KEY. */
function openIked(
  name: string,
  setting: OpenIkedSetting,
  run: (world: World, daemon: OpenIked, status: Status) => Promise<string>,
): Case {
  const flows = setting.flows ?? `from ${networks.office4} to dynamic`;
  const config = setting.config ?? `config address ${pool.v4} config name-server ${intranet.dns4}`;
  const text = [
    ...['set fragmentation', `user "alice" "${PASSWORD}"`],
    `ikev2 "office" passive esp ${flows} local any peer any srcid ${names.gateway} ${setting.lifetime ?? ''} ${setting.auth ?? ''} ${config}`,
  ];
  return {
    name: `others/openiked-${name}`,
    run: (world) => {
      const own = entity('gateway', setting.own ?? 'p256');
      const start = () => OpenIked.start(world.lab.office, { text: `${text.join('\n')}\n`, own, authorities: [office().root] });
      return instead(world, start, async (daemon) => {
        const status = await connected(world, setting.profile ?? certificateProfile(entity('alice', setting.own ?? 'p256')));
        await heard(world, daemon, /sa_state: (EAP_)?VALID -> ESTABLISHED/);
        return run(world, daemon, status);
      });
    },
  };
}

const ofOpenIked: readonly Case[] = [
  openIked('defaults', { auth: `psk "${SECRET}"`, profile: {} }, async (world, daemon, status) => {
    assert.deepEqual([status.dns, status.routes], [[intranet.dns4], [networks.office4]]);
    assert.match(status.virtualIps.join(), /^10\.10\.99\.\d+\/(24|32)$/);
    await byUs(world, 'child');
    await byUs(world, 'ike');
    await heard(world, daemon, /sa_state: AUTH_SUCCESS -> ESTABLISHED/);
    return known(status);
  }),
  openIked('mschapv2', { auth: 'eap "mschap-v2"', profile: eapProfile() }, async (world, daemon, status) => {
    await daemon.ctl('reset', 'sa');
    // Its DELETE ends what there was, and we are back by ourselves.
    await world.eventually(
      'another IKE SA',
      async () => {
        const now = await world.client.call('tunnel.status', {});
        return now.state === 'connected' && now.ike?.spiI !== status.ike?.spiI ? true : undefined;
      },
      10_000,
    );
    return known(status);
  }),
  openIked('rsa-4096-in-fragments', { own: 'rsa4096' }, async (_world, _daemon, status) => known(status)),
  openIked(
    'ecdsa-p521-of-two-families',
    {
      own: 'p521',
      flows: `from ${networks.office4} to dynamic from ${networks.office6} to dynamic`,
      config: `config address ${pool.v4} config address ${pool.v6} config name-server ${intranet.dns4} config name-server ${intranet.dns6}`,
    },
    async (_world, _daemon, status) => {
      assert.deepEqual([...status.routes].sort(), [networks.office4, networks.office6]);
      assert.deepEqual([...status.dns].sort(), [intranet.dns4, intranet.dns6]);
      return known(status);
    },
  ),
  openIked(
    'has-more-networks-than-asked-for',
    {
      flows: 'from 0.0.0.0/0 to dynamic',
      profile: { ...certificateProfile(), remoteNetworks: [networks.office4] },
    },
    async (world, _daemon, status) => {
      assert.deepEqual(status.routes, [networks.office4]);
      const { children } = await byUs(world, 'child');
      assert.deepEqual(children[0]?.remoteSelectors, [networks.office4]);
      return known(status);
    },
  ),
  openIked('follows-a-move', {}, async (world, daemon, status) => {
    await moved(world, () => heard(world, daemon, /recv INFORMATIONAL req[^\n]*policy 'office'/, 5_000));
    const now = await world.client.call('tunnel.status', {});
    assert.equal(now.ike?.spiI, status.ike?.spiI);
    return known(status);
  }),
];

const why = { libreswan: whyNot('libreswan'), openiked: whyNot('openiked') };

export const others: readonly Case[] = [
  ...(why.libreswan === undefined ? ofLibreswan : []),
  ...(why.openiked === undefined ? ofOpenIked : []),
];

/** Those that cannot run here, and why: interop is about strongSwan, and goes on. */
export const othersLeftOut: readonly { readonly name: string; readonly why: string }[] = [
  ...ofLibreswan.map(({ name }) => ({ name, why: why.libreswan })),
  ...ofOpenIked.map(({ name }) => ({ name, why: why.openiked })),
].flatMap((one) => (one.why === undefined ? [] : { name: one.name, why: one.why }));
