/** `import`, `list`, `show`, `remove`. */
import { err } from '../bytes/result.ts';
import type {
  AuthMethod,
  EapSettings,
  Fragmentation,
  GatewayTrust,
  ImportNote,
  ProfileView,
  SecretName,
  TcpUse,
  WhenLost,
} from '../rpc/contract.ts';
import { printable } from '../tunnel/explain.ts';
import { readAll, withNames } from './files.ts';
import { withPassword } from './password.ts';
import { type Session, SUCCESS, withHelper } from './session.ts';
import { columns } from './text.ts';

const WHEN_LOST: Readonly<Record<WhenLost, string>> = {
  hold: 'its traffic waits while it is brought back',
  lock: 'its traffic waits until it is back or you disconnect',
  open: 'its traffic goes without the tunnel while it is brought back',
  end: 'it stays so',
};

const FRAGMENTATION: Readonly<Record<Fragmentation, string>> = {
  yes: 'where the gateway takes it',
  no: 'never',
  force: 'small fragments, and the gateway must take them',
};

const TCP: Readonly<Record<TcpUse, string>> = {
  auto: 'when UDP does not pass',
  always: 'always',
  never: 'never',
};

export interface ImportOptions {
  readonly shared?: boolean;
  readonly dryRun?: boolean;
  readonly gateway?: string;
  readonly name?: string;
  readonly passwordFile?: string;
}

/** One file, or the certificates and the key of one profile. */
export async function importCommand(session: Session, files: readonly string[], options: ImportOptions): Promise<number> {
  const { output } = session;
  if (options.passwordFile === '-' && files.includes('-')) {
    return output.error({ code: 'usage', detail: 'standard input can be one of the files only' });
  }
  const data = await readAll(files);
  if (!data.ok) return output.error(data.error);
  const { gateway, name, shared = false, dryRun = false } = options;
  const request = {
    data: data.value,
    shared,
    dryRun,
    ...(gateway !== undefined && { gateway }),
    ...(name !== undefined && { name }),
  };
  return withHelper(session, async (helper) => {
    const done = await withPassword(options.passwordFile, (password) =>
      helper.call('profile.import', { ...request, ...(password !== undefined && { password }) }),
    );
    if (!done.ok) return err(withNames(done.error, files));
    const { profile, notes, replaced } = done.value;
    for (const note of notes) if (note.outcome !== 'kept') output.progress(noteLine(note));
    const verb = dryRun ? (replaced ? 'Would replace' : 'Would import') : replaced ? 'Replaced' : 'Imported';
    output.line(`${verb} "${printable(profile.name)}"${profile.shared ? ' for everybody' : ''} (${profile.id}).`);
    output.object(done.value);
    return SUCCESS;
  });
}

export function noteLine({ field, outcome, why }: ImportNote): string {
  const word = { kept: 'Kept', changed: 'Note', dropped: 'Left out', warning: 'Warning' }[outcome];
  return printable(`${word}: ${field}: ${why}`);
}

export function listCommand(session: Session): Promise<number> {
  const { output } = session;
  return withHelper(session, async (helper) => {
    const done = await helper.call('profile.list', {});
    if (!done.ok) return done;
    output.object({ profiles: done.value });
    if (done.value.length === 0) output.progress('You have no profiles. `sallyport import FILE` adds one.');
    else {
      const rows = done.value.map(({ name, folder, gateway, auth, owner, shared, id }) => [
        folder === '' ? name : `${folder} / ${name}`,
        gateway,
        auth,
        shared ? 'everybody' : owner === helper.server.uid ? 'you' : `uid ${owner}`,
        id,
      ]);
      for (const line of columns([['NAME', 'GATEWAY', 'AUTH', 'FOR', 'ID'], ...rows])) output.line(line);
    }
    return SUCCESS;
  });
}

export function showCommand(session: Session, profile: string): Promise<number> {
  const { output } = session;
  return withHelper(session, async (helper) => {
    const done = await helper.call('profile.show', { profile });
    if (!done.ok) return done;
    const view = done.value;
    output.object(view);
    const yes = (value: boolean) => (value ? 'yes' : 'no');
    const rows = [
      ['Name', view.name],
      ['Id', view.id],
      ['Folder', view.folder === '' ? 'none' : view.folder],
      ['For', view.shared ? 'everybody' : `uid ${view.owner}`],
      ['Gateway', `${view.gateway}, UDP ports ${view.gatewayPorts.ike} and ${view.gatewayPorts.natt}`],
      ...(view.gateways.length > 0 ? [['Standing in', view.gateways.join(', ')]] : []),
      ['Its identity', view.remoteId ?? 'any (not checked)'],
      [
        'Your identity',
        view.localId === '' ? (view.auth === 'eap' ? 'your address' : 'the name in your certificate') : view.localId,
      ],
      ['Your proof', PROOFS[view.auth]],
      ...(view.eap ? eapRows(view.eap) : []),
      ['Stored', storedText(view)],
      ['Its proof', trustText(view.trust)],
      ['IKE proposals', view.ikeProposals.join(', ')],
      ['ESP proposals', view.espProposals.join(', ')],
      ['Networks', view.remoteNetworks.join(', ')],
      ...view.additionalChildren.map(({ remoteNetworks }) => ['Further CHILD SA', remoteNetworks.join(', ')]),
      ['IPv4, IPv6', `${yes(view.ipv4)}, ${yes(view.ipv6)}`],
      ['Use its DNS', yes(view.dns)],
      ['MTU', String(view.mtu)],
      ['NAT keepalive', view.natKeepalive === 0 ? 'none' : `${view.natKeepalive} s`],
      ['Liveness', view.liveness === 0 ? 'never asked' : `asked after ${view.liveness} s of silence`],
      ['When lost', WHEN_LOST[view.whenLost]],
      ['IKE fragmentation', FRAGMENTATION[view.fragmentation]],
      ['TCP', TCP[view.tcp] + (view.tcp === 'never' ? '' : `, ports ${view.tcpPorts.join(' and ')}`)],
      ['Redirects', view.redirect ? 'followed' : 'not followed'],
      ['Session tickets', view.resumption ? 'where the gateway gives them' : 'never'],
      ['Changes of network', view.mobike ? 'by MOBIKE, where the gateway can' : 'by connecting again'],
      ['First CHILD SA', view.childless ? 'after IKE_AUTH, where the gateway takes that' : 'in IKE_AUTH'],
      ['INITIAL_CONTACT', view.initialContact ? 'of the first connection' : 'never'],
      ['Login again', view.reauthenticateEvery === 0 ? 'when the gateway wants it' : `every ${view.reauthenticateEvery} s`],
      ...(view.ppk ? [['Post-quantum key', `${view.ppk.id}${view.ppk.required ? ', demanded' : ''}`] as const] : []),
      ['Rekeys', rekeysText(view)],
      ['Replay window', `${view.replayWindow} packets`],
      ['Local ports', view.localPort === 'standard' ? '500 and 4500' : 'any'],
      ['Locked', view.locked.length === 0 ? 'nothing' : view.locked.join(', ')],
    ];
    for (const line of columns(rows)) output.line(line);
    return SUCCESS;
  });
}

export function removeCommand(session: Session, profile: string): Promise<number> {
  const { output } = session;
  return withHelper(session, async (helper) => {
    const done = await helper.call('profile.remove', { profile });
    if (!done.ok) return done;
    output.line(`Removed ${done.value.removed}. For ten minutes \`sallyport restore ${done.value.undo}\` takes it back.`);
    output.object(done.value);
    return SUCCESS;
  });
}

/** A key is the one secret that nobody can type. */
function storedText({ secrets, auth, certificates }: ProfileView): string {
  const needed = auth === 'certificate' || auth === 'certificate-eap' || certificates.length > 0;
  const missing =
    needed && !secrets.includes('key') ? 'no private key: `sallyport edit PROFILE --key-file FILE` adds it' : undefined;
  if (secrets.length === 0) return missing ?? 'no secret: asked for when connecting';
  const names = secrets.map((name) => SECRETS[name]).join(', ');
  return missing === undefined ? names : `${names}; ${missing}`;
}

const PROOFS: Readonly<Record<AuthMethod, string>> = {
  psk: 'pre-shared key',
  certificate: 'certificate',
  eap: 'EAP',
  'certificate-eap': 'certificate, then EAP',
};

const SECRETS: Readonly<Record<SecretName, string>> = {
  psk: 'pre-shared key',
  password: 'password',
  key: 'private key',
  ppk: 'post-quantum key',
};

function eapRows({ methods, identity, serverName, authorities }: EapSettings): string[][] {
  return [
    ['EAP methods', methods.join(', ')],
    ['User name', identity === '' ? 'asked for when connecting' : identity],
    ...(serverName === '' ? [] : [['EAP server', serverName]]),
    ...(authorities.length === 0 ? [] : [['EAP authorities', String(authorities.length)]]),
  ];
}

function trustText({ method, authorities, systemRoots, revocation }: GatewayTrust): string {
  if (method === 'psk') return 'pre-shared key';
  const own = authorities.length === 0 ? [] : [`${authorities.length} of the profile`];
  const whom = [...own, ...(systemRoots ? ['those of this computer'] : [])].join(' and ');
  const how = [...(revocation.ocsp ? ['OCSP'] : []), ...(revocation.crl ? ['lists'] : [])].join(' and ');
  const checked = how === '' ? 'revocation not checked' : `revocation by ${how}${revocation.strict ? ', strictly' : ''}`;
  return method === 'eap-only' ? 'EAP alone' : `certificate; authorities: ${whom}; ${checked}`;
}

function rekeysText({ rekeyIke, rekeyChild, rekeyBytes, rekeyPackets, rekeyRehearsal }: ProfileView): string {
  const after = (time: number) => (time === 0 ? 'never' : `after ${time} s`);
  const carried = [rekeyBytes > 0 ? `${rekeyBytes} octets` : '', rekeyPackets > 0 ? `${rekeyPackets} packets` : ''];
  const parts = [after(rekeyChild), ...carried].filter((part) => part !== '');
  return `CHILD SA ${parts.join(' or ')}${rekeyRehearsal ? ', and at once' : ''}; IKE SA ${after(rekeyIke)}`;
}
