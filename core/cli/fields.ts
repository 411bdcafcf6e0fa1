/** `FIELD=VALUE` as people type it, into the fields of a profile. What is wrong with a value is the helper's to say. */
import { err, ok, type Result } from '../bytes/result.ts';
import type { Params, ProfileFields, RpcError } from '../rpc/contract.ts';

type Given = Params<'profile.save'>['fields'];
type Value = Given[keyof Given];
type Reader = (text: string) => Value | undefined;

const text: Reader = (value) => value;
const items = (value: string): string[] =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
const list: Reader = items;
const number: Reader = (value) => (/^-?\d+(\.\d+)?$/.test(value) ? Number(value) : undefined);
const yes: Reader = (value) => {
  if (['yes', 'true', 'on'].includes(value)) return true;
  return ['no', 'false', 'off'].includes(value) ? false : undefined;
};
/** An object; what may be in it is the helper's to say. */
const json: Reader = (value) => {
  try {
    const parsed: unknown = JSON.parse(value);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
};
const ports: Reader = (value) => {
  const [, ike, natt] = /^(\d+),(\d+)$/.exec(value) ?? [];
  return ike === undefined || natt === undefined ? undefined : { ike: Number(ike), natt: Number(natt) };
};

const numbers: Reader = (value) => (/^\d+(,\d+)*$/.test(value) ? value.split(',').map(Number) : undefined);

/** `10.2.0.0/16,10.3.0.0/16;10.4.0.0/16`: what is between semicolons has a CHILD SA of its own. */
const children: Reader = (value) =>
  value
    .split(';')
    .filter((part) => part.trim() !== '')
    .map((part) => ({ remoteNetworks: items(part) }));

const READERS: { readonly [F in keyof ProfileFields]: readonly [Reader, string] } = {
  name: [text, 'text'],
  folder: [text, 'text'],
  gateway: [text, 'name or address'],
  gatewayPorts: [ports, 'two ports, such as 500,4500'],
  gateways: [list, 'names or addresses that stand in for it, with commas'],
  localId: [text, 'identity'],
  remoteId: [text, 'identity, %any, or empty for the gateway'],
  ikeProposals: [list, 'list with commas'],
  espProposals: [list, 'list with commas'],
  remoteNetworks: [list, 'list with commas'],
  additionalChildren: [children, 'networks with commas; a semicolon begins the next CHILD SA'],
  ipv4: [yes, 'yes or no'],
  ipv6: [yes, 'yes or no'],
  dns: [yes, 'yes or no'],
  mtu: [number, 'a number'],
  natKeepalive: [number, 'whole seconds, 0 for none'],
  liveness: [number, 'whole seconds, 0 for never'],
  replayWindow: [number, 'packets, 64 to 4096'],
  whenLost: [text, 'hold, lock, open or end'],
  fragmentation: [text, 'yes, no or force'],
  tcp: [text, 'auto, always or never'],
  tcpPorts: [numbers, 'one to four ports with commas, such as 4500,443'],
  redirect: [yes, 'yes or no'],
  resumption: [yes, 'yes or no'],
  childless: [yes, 'yes or no'],
  mobike: [yes, 'yes or no'],
  initialContact: [yes, 'yes or no'],
  reauthenticateEvery: [number, 'whole seconds, 0 for never'],
  rekeyIke: [number, 'whole seconds, 0 for never'],
  rekeyChild: [number, 'whole seconds, 0 for never'],
  rekeyBytes: [number, 'octets, 0 for any number'],
  rekeyPackets: [number, 'packets, 0 for any number'],
  rekeyRehearsal: [yes, 'yes or no'],
  ppk: [json, 'JSON of id and required: {"id":"office-ppk-1","required":true}; its secret is given with --ppk-file'],
  localPort: [text, 'standard or any'],
  auth: [text, 'psk, certificate, eap or certificate-eap'],
  certificates: [list, 'base64 of each certificate, with commas'],
  eap: [json, 'JSON of methods, identity, serverName, authorities: {"methods":["mschapv2"],"identity":"alice"}'],
  trust: [json, 'JSON of method, authorities, intermediates, systemRoots, certreq, commonName, revocation: {"systemRoots":true}'],
};

/** For the help of `create` and `edit`. */
export function fieldsHelp(): string {
  const rows = Object.entries(READERS).map(([field, [, what]]) => `  ${field.padEnd(20)}${what}`);
  return ['Fields:', ...rows].join('\n');
}

export function parseFields(assignments: readonly string[]): Result<Given, RpcError> {
  const given: Record<string, Value> = {};
  for (const assignment of assignments) {
    const at = assignment.indexOf('=');
    const field = at < 0 ? assignment : assignment.slice(0, at);
    // What follows is not quoted: somebody may have put a key there.
    if (at < 0) return usage(`expected FIELD=VALUE, such as name=Office`);
    if (!isField(field))
      return usage(`${field === 'secret' ? 'a key is given with --secret-file' : `there is no field "${field}"`}`);
    const [read, what] = READERS[field];
    const value = read(assignment.slice(at + 1));
    if (value === undefined) return usage(`${field}: expected ${what}`);
    given[field] = value;
  }
  return ok(given as Given);
}

function isField(name: string): name is keyof ProfileFields {
  return Object.hasOwn(READERS, name);
}

function usage(detail: string): Result<never, RpcError> {
  return err({ code: 'usage', detail });
}
