/** A status as lines of text: state, gateway, addresses, algorithms, SPIs, traffic, ages and NAT at one look. Pure. */
import type {
  ChildStatus,
  DropReason,
  GatewayCertificate,
  IkeStatus,
  KernelOffload,
  Prompt,
  Status,
  Step,
  StepName,
  TunnelState,
} from '../rpc/contract.ts';
import { isUp } from '../tunnel/states.ts';
import { revocationText, untilText, warningText } from './certificateText.ts';
import { clock, columns, count, octets, span } from './text.ts';

const STATES: Readonly<Record<TunnelState, string>> = {
  idle: 'Not connected',
  waiting: 'Waiting for you',
  resolving: 'Finding the gateway',
  connecting: 'Securing the channel',
  authenticating: 'Proving who is who',
  installing: 'Preparing the network',
  connected: 'Connected',
  rekeying: 'Connected, taking fresh keys',
  roaming: 'Connected, moving to another network',
  reconnecting: 'Reconnecting',
  paused: 'Paused, the computer sleeps',
  blocked: 'Not connected, traffic held back',
  disconnecting: 'Disconnecting',
  failed: 'Failed',
};

export const PROMPTS: Readonly<Record<Prompt['kind'], string>> = {
  psk: 'pre-shared key',
  identity: 'user name',
  password: 'password',
  code: 'code',
  pin: 'PIN',
};

const STEPS: Readonly<Record<StepName, string>> = {
  resolve: 'gateway found',
  channel: 'channel secured',
  gateway: 'gateway proven',
  user: 'user proven',
  network: 'network prepared',
};

function stepText({ name, state, startedAt, endedAt }: Step, now: number): string {
  if (state === 'pending') return `${STEPS[name]}: not yet`;
  const took = `${(endedAt ?? now) - (startedAt ?? now)} ms`;
  return state === 'active'
    ? `${STEPS[name]}: for ${took}`
    : `${STEPS[name]}: ${state === 'failed' ? 'failed after ' : ''}${took}`;
}

/** `CURVE_25519 + ML_KEM_768 + PPK`: everything that would have to be broken. */
function keyExchangeText({ ke, additionalKe = [], ppk }: IkeStatus): string {
  return [ke, ...additionalKe, ...(ppk ? ['PPK'] : [])].join(' + ');
}

function attemptText(attempt: number): string | undefined {
  return attempt > 1 ? `try ${attempt}: the one before was wrong` : undefined;
}

export function stateText(state: TunnelState): string {
  return STATES[state];
}

/** The first line is the state; the others are indented pairs of name and value. */
export function statusText(status: Status, now: number): string[] {
  if (status.otherUser) return [`Another user of this computer is connected (${STATES[status.state].toLowerCase()}).`];
  const head =
    status.state === 'idle'
      ? STATES.idle
      : `${STATES[status.state]} for ${span(now - status.since)}, since ${clock(status.since)}`;
  const rows: string[][] = [];
  const row = (name: string, ...parts: (string | undefined)[]) => {
    const text = parts.filter((part) => part !== undefined && part !== '').join(', ');
    if (text !== '') rows.push([`  ${name}`, text]);
  };
  const { profile, gateway, local, ike, failure, renewalFailure, prompt } = status;
  for (const [name, told] of [
    ['Reason', failure],
    ['New login', renewalFailure],
  ] as const) {
    if (!told) continue;
    row(name, told.what);
    row('Advice', told.advice);
    row('Evidence', told.evidence);
  }
  if (status.retryAt !== undefined) row('Next try', `in ${span(Math.max(0, status.retryAt - now))}`);
  if (status.held !== undefined)
    row('Traffic', status.held ? 'held back until it is connected again' : 'goes without the tunnel');
  if (prompt)
    row(
      'Asked for',
      `${PROMPTS[prompt.kind]}${prompt.identity === '' ? '' : ` of ${prompt.identity}`}`,
      prompt.text,
      attemptText(prompt.attempt),
    );
  // Whoever waits in `up` is asked there.
  if (prompt && isUp(status.state)) row('Answer with', '`sallyport answer`');
  // Of a connection that stands, though nothing passes, there is nothing to tell of how it came up.
  if (!isUp(status.state) && status.steps.some(({ state }) => state !== 'done'))
    row('Steps', ...status.steps.map((step) => stepText(step, now)));
  if (profile) row('Profile', `${profile.name} (${profile.id})`);
  if (gateway)
    row(
      'Gateway',
      `${gateway.name === gateway.address ? '' : `${gateway.name} `}${endpoint(gateway)}${gateway.transport === 'tcp' ? ' by TCP' : ''}`,
    );
  if (status.gatewayCertificate) certificateRows(status.gatewayCertificate, now, row);
  for (const warning of status.warnings ?? []) row('Warning', warningText(warning));
  if (ike)
    row(
      'Identities',
      `gateway ${ike.remoteIdentity}`,
      `own ${ike.localIdentity}`,
      ...(ike.resumed ? ['resumed by a ticket'] : []),
    );
  if (local) row('Local', endpoint(local), status.interface && `${status.interface.name} MTU ${status.interface.mtu}`);
  if (status.nat) row('NAT', natText(status.nat));
  if (status.pathRtt !== undefined) row('Round trip', `${status.pathRtt} ms`);
  row('Addresses', ...status.virtualIps);
  row('DNS', ...status.dns, status.domains.length > 0 ? `for ${status.domains.join(' ')}` : undefined);
  row('Routes', ...status.routes);
  if (ike) {
    row(
      'IKE',
      suite(ike.encr, ike.keyLength),
      ike.integ,
      ike.prf,
      keyExchangeText(ike),
      ...ages(ike.establishedAt, ike.rekeyAt, now),
    );
    row('IKE SPIs', `${ike.spiI} (initiator)`, `${ike.spiR} (responder)`);
  }
  for (const child of status.children) childRows(child, now, row);
  const { drops } = status;
  if (drops) row('Dropped besides', ...strayDrops.map(([reason, why]) => dropText(drops[reason], why)));
  // Each child says who carries it; before there is one, who would.
  if (status.children.every(({ backend }) => backend === undefined)) row('Cipher code', status.backend);
  if (status.offload) row('Kernel offload', offloadText(status.offload));
  return [head, ...columns(rows)];
}

type Row = (name: string, ...parts: (string | undefined)[]) => void;

function certificateRows({ subject, issuer, notAfter, revocation }: GatewayCertificate, now: number, row: Row): void {
  row('Certificate', subject, `of ${issuer}`, untilText(notAfter, now));
  for (const verdict of revocation) row('Revocation', verdict.subject, revocationText(verdict));
}

/** How old keys are, and when there are new ones. */
function ages(since: number, rekeyAt: number | undefined, now: number): readonly string[] {
  const age = `age ${span(now - since)}`;
  return rekeyAt === undefined ? [age] : [age, `new keys in ${span(Math.max(0, rekeyAt - now))}`];
}

function mtuText({ innerMtu, because }: NonNullable<ChildStatus['path']>): string {
  if (because === undefined) return String(innerMtu);
  return `${innerMtu} (the path carries no more: ${because === 'reported' ? 'the network said so' : 'larger packets vanish'})`;
}

function childRows(child: ChildStatus, now: number, row: Row): void {
  row(
    'ESP',
    suite(child.encr, child.keyLength),
    child.integ,
    child.esn ? 'extended sequence numbers' : undefined,
    ...ages(child.installedAt, child.rekeyAt, now),
  );
  row('ESP SPIs', `in ${child.spiIn}`, `out ${child.spiOut}`);
  row('Networks', `${child.localSelectors.join(' ')} to ${child.remoteSelectors.join(' ')}`);
  row('Received', `${count(child.packetsIn)} packets`, octets(child.bytesIn), last(child.lastIn, now));
  row('Sent', `${count(child.packetsOut)} packets`, octets(child.bytesOut), last(child.lastOut, now));
  const drops = [
    ['replayed', child.dropsReplay],
    ['forged or damaged', child.dropsIntegrity],
    ['outside the networks', child.dropsSelector],
    ['malformed', child.dropsMalformed],
    ['too large for the path', child.dropsTooBig],
    ['lost to congestion', child.dropsCongestion],
    ['out of sequence numbers', child.dropsExhausted],
  ] as const;
  if (child.path) row('Inner MTU', mtuText(child.path));
  row('Dropped', ...drops.map(([why, number]) => dropText(number, why)));
  row('Cipher code', child.backend);
}

/** NAT keepalives are left out: RFC 3948 §2.3 wants them dropped. */
const strayDrops: readonly (readonly [DropReason, string])[] = [
  ['unknown-spi', 'for an unknown SPI'],
  ['short-packet', 'too short'],
  ['no-policy', 'not for the tunnel'],
  ['not-ip', 'not IP'],
  ['tun-full', 'not taken by the TUN device'],
  ['send-failed', 'not sent'],
  ['ike-full', 'IKE messages too many'],
  ['kernel', 'by the kernel'],
  ['queue-full', 'by a full queue'],
];

function dropText(number: number | undefined, why: string): string | undefined {
  return number === undefined || number === 0 ? undefined : `${count(number)} ${why}`;
}

/** By the kernel's own names, as ethtool and udp(7) have them. */
function offloadText({ tun, socket }: KernelOffload): string {
  const names = [
    tun.headers && 'TUN checksums',
    tun.tcp && 'TSO',
    tun.udp && 'USO',
    socket.segmentation && 'UDP GSO',
    socket.coalescing && 'UDP GRO',
  ].filter((name) => name !== false);
  return names.length === 0 ? 'none: packets one by one' : names.join(', ');
}

function last(instant: number, now: number): string {
  return instant === 0 ? 'none yet' : `last ${span(now - instant)} ago`;
}

function suite(encr: string, keyLength: number | undefined): string {
  return keyLength === undefined ? encr : `${encr} ${keyLength}`;
}

function endpoint({ address, port }: { readonly address: string; readonly port: number }): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function natText({ local, remote }: { readonly local: boolean; readonly remote: boolean }): string {
  if (local && remote) return 'in front of both ends';
  if (local) return 'in front of this computer';
  return remote ? 'in front of the gateway' : 'none';
}
