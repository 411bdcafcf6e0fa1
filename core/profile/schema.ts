/**
 * The fields of a profile file, format 1, each with the words for what is expected of it. `resources/profile.schema.json`
 * says the same for editors and other people's tools; `test/unit/profile` keeps the two in agreement.
 */
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import * as v from 'valibot';
import { parseIdentity } from '../ike/identity.ts';
import { MAX_PROPOSALS, type ProposalUse, parseProposals } from '../ike/proposals.ts';
import { selectorFromCidr } from '../ike/wire/selectorText.ts';
import { AUTH_FIELDS, authSchema, GATEWAY_FIELDS, gatewayAuthSchema, METHODS, secret } from './schemaAuth.ts';
import { between, list, NAME_MAX, text, UNPRINTABLE, whole, zeroOr } from './schemaParts.ts';

/** The proposals' own reader says best what is wrong with one. */
function proposals(expected: string, use: ProposalUse) {
  const item = v.pipe(
    text(expected, () => true),
    v.check(
      (value) => parseProposals([value], use).ok,
      ({ input }) => {
        const parsed = typeof input === 'string' ? parseProposals([input], use) : undefined;
        return parsed && !parsed.ok ? `${expected} (${parsed.error.message})` : expected;
      },
    ),
  );
  const size = `1 to ${MAX_PROPOSALS} proposals`;
  return v.pipe(
    v.array(item, size),
    v.check((value) => value.length > 0 && value.length <= MAX_PROPOSALS, size),
  );
}

const port = whole('a port, 1 to 65535', between(1, 65535));

const PPK_ID = /^[\x21-\x7e]+$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const HOST = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/i;
export const ANY_IDENTITY = '%any';

/** The gateway's name as the resolver takes it (IDNA where it is not ASCII) or the address; undefined when it is neither. */
export function hostOf(value: string): string | undefined {
  if (isIP(value) !== 0) return value.includes('%') ? undefined : value;
  // Only what needs it: domainToASCII would also read "1.2" as an address.
  const ascii = /^[\x20-\x7e]*$/.test(value) ? value : domainToASCII(value);
  // A name whose last label is a number is an address with a mistake in it (RFC 3696 §2).
  return HOST.test(ascii) && !/(^|\.)[0-9]+$/.test(ascii) ? ascii : undefined;
}

export const LOCAL_ID = 'who you are to the gateway: a name, an address, user@domain, a distinguished name or keyid:hex';
const PPK = 'an object with "id" and "secret", and "required" where there must be no connection without it';
const NETWORK = 'a network such as "10.1.0.0/16" or "2001:db8::/32"';
const isNetwork = (value: string) => selectorFromCidr(value) !== undefined;
const networks = (most: number) => list(`1 to ${most} networks`, NETWORK, most, isNetwork);
const CHILDREN = 'at most 8 objects with "remoteNetworks", a list of networks';
const TCP_PORTS = '1 to 4 ports';
const PORTS = 'an object with "ike" and "natt", each a port';
/** What an administrator could lock before there were certificates. */
export const LOCKABLE_BEFORE_CERTIFICATES = [
  'name',
  'folder',
  'gateway',
  'gatewayPorts',
  'localId',
  'remoteId',
  'secret',
  'ikeProposals',
  'espProposals',
  'remoteNetworks',
  'ipv4',
  'ipv6',
  'dns',
  'mtu',
  'natKeepalive',
  'liveness',
  'localPort',
] as const;
/** The same before the replay window was a field. */
export const LOCKABLE_BEFORE_WINDOW = [
  ...LOCKABLE_BEFORE_CERTIFICATES,
  ...(['auth', 'certificates', 'eap', 'trust', 'password', 'key'] as const),
] as const;
/** What came one by one after that; a stored profile without such a field is older than it. */
export const LOCKABLE_LATER = [
  'replayWindow',
  'gateways',
  'whenLost',
  'fragmentation',
  'tcp',
  'tcpPorts',
  'redirect',
  'resumption',
  'childless',
  'initialContact',
  'reauthenticateEvery',
  'ppk',
  'rekeyIke',
  'rekeyChild',
  'rekeyBytes',
  'rekeyPackets',
  'rekeyRehearsal',
  'mobike',
  'additionalChildren',
] as const;
/** What an administrator can lock: what `profile.save` can change. */
export const LOCKABLE = [...LOCKABLE_BEFORE_WINDOW, ...LOCKABLE_LATER] as const;
const LOCKS = 'true, or a list of names of fields that can be edited';
const FOLDER = `at most ${NAME_MAX} characters, none of them invisible`;

export const profileSchema = v.strictObject({
  sallyport: v.literal(1, '1, the version of this format'),
  name: text(
    `1 to ${NAME_MAX} characters, none of them invisible`,
    (value) => value.trim() !== '' && !UNPRINTABLE.test(value),
    NAME_MAX,
  ),
  uuid: v.optional(text('a UUID such as 2d2e7f70-5b0a-4a55-9d7e-3f1c5f0a8b11', (value) => UUID.test(value))),
  gateway: text('a host name, an IPv4 or an IPv6 address', (value) => hostOf(value) !== undefined),
  gateways: v.optional(
    list('at most 8 gateways', 'a host name, an IPv4 or an IPv6 address', 8, (value) => hostOf(value) !== undefined, 0),
  ),
  gatewayPorts: v.optional(
    v.pipe(
      // To valibot a list is an object too, one without keys.
      v.custom<object>((value) => !Array.isArray(value), PORTS),
      v.strictObject({ ike: v.optional(port), natt: v.optional(port) }, PORTS),
    ),
  ),
  /** Needed with a pre-shared key; else it can be found. */
  localId: v.optional(text(LOCAL_ID, (value) => parseIdentity(value).ok)),
  remoteId: v.optional(
    text(
      'who the gateway is: a name, an address, user@domain, a distinguished name or keyid:hex; or "%any"',
      (value) => value === ANY_IDENTITY || parseIdentity(value).ok,
    ),
  ),
  auth: authSchema,
  gatewayAuth: v.optional(gatewayAuthSchema),
  ikeProposals: v.optional(proposals('an IKE proposal such as "aes256gcm16-prfsha256-x25519"', 'ike')),
  espProposals: v.optional(proposals('an ESP proposal such as "aes256gcm16" or "aes256-sha256"', 'esp')),
  remoteNetworks: v.optional(networks(64)),
  additionalChildren: v.optional(
    v.pipe(v.array(v.strictObject({ remoteNetworks: networks(32) }, CHILDREN), CHILDREN), v.maxLength(8, CHILDREN)),
  ),
  ipv4: v.optional(v.boolean('true or false')),
  ipv6: v.optional(v.boolean('true or false')),
  dns: v.optional(v.boolean('true or false')),
  mtu: v.optional(whole('1280 to 1500', between(1280, 1500))),
  natKeepalive: v.optional(whole('0 for none, or 5 to 3600 seconds', zeroOr(5, 3600))),
  liveness: v.optional(whole('0 for never, or 5 to 86400 seconds', zeroOr(5, 86400))),
  replayWindow: v.optional(whole('64 to 4096 packets', between(64, 4096))),
  whenLost: v.optional(v.picklist(['hold', 'lock', 'open', 'end'], '"hold", "lock", "open" or "end"')),
  fragmentation: v.optional(v.picklist(['yes', 'no', 'force'], '"yes", "no" or "force"')),
  tcp: v.optional(v.picklist(['auto', 'always', 'never'], '"auto", "always" or "never"')),
  tcpPorts: v.optional(
    v.pipe(
      v.array(port, TCP_PORTS),
      v.check((value) => value.length > 0 && value.length <= 4, TCP_PORTS),
    ),
  ),
  redirect: v.optional(v.boolean('true or false')),
  resumption: v.optional(v.boolean('true or false')),
  mobike: v.optional(v.boolean('true or false')),
  childless: v.optional(v.boolean('true or false')),
  initialContact: v.optional(v.boolean('true or false')),
  reauthenticateEvery: v.optional(whole('0 for never, or 300 to 604800 seconds', zeroOr(300, 604_800))),
  ppk: v.optional(
    v.strictObject(
      {
        // RFC 8784 §5.1: an octet string of both sides, best of the characters of base64.
        id: text('what the gateway calls the key: 1 to 128 characters of ASCII without blanks', (id) => PPK_ID.test(id), 128),
        secret: v.optional(secret),
        required: v.optional(v.boolean('true or false')),
      },
      PPK,
    ),
  ),
  rekeyIke: v.optional(whole('0 for never, or 10 to 604800 seconds', zeroOr(10, 604_800))),
  rekeyChild: v.optional(whole('0 for never, or 10 to 604800 seconds', zeroOr(10, 604_800))),
  rekeyBytes: v.optional(whole('0 for any number, or 100000 to 1000000000000000 octets', zeroOr(1e5, 1e15))),
  rekeyPackets: v.optional(whole('0 for any number, or 100 to 1000000000000 packets', zeroOr(100, 1e12))),
  rekeyRehearsal: v.optional(v.boolean('true or false')),
  localPort: v.optional(v.picklist(['standard', 'any'], '"standard" or "any"')),
  folder: v.optional(
    v.pipe(
      v.string(FOLDER),
      v.check((value) => value.length <= NAME_MAX && !UNPRINTABLE.test(value), FOLDER),
    ),
  ),
  locked: v.optional(v.union([v.literal(true), v.pipe(v.array(v.picklist(LOCKABLE)), v.maxLength(100))], LOCKS)),
});

/** What is expected of a required field, for when it is missing. */
export function expectedOf(path: string): string | undefined {
  if (path === 'auth.method') return METHODS;
  const schemas: Readonly<Record<string, v.GenericSchema>> = profileSchema.entries;
  const schema = Object.hasOwn(schemas, path) ? schemas[path] : undefined;
  return schema && v.safeParse(schema, null).issues?.[0].message;
}

export type ProfileFile = v.InferOutput<typeof profileSchema>;

/** Names of the fields at each place that has any; what is not here is unknown and left out. */
export const knownFields: ReadonlyMap<string, readonly string[]> = new Map([
  ['', Object.keys(profileSchema.entries)],
  ['gatewayPorts', ['ike', 'natt']],
  ['auth', AUTH_FIELDS],
  ['auth.secret', ['base64', 'hex']],
  ['gatewayAuth', GATEWAY_FIELDS],
  ['gatewayAuth.secret', ['base64', 'hex']],
  ['gatewayAuth.revocation', ['crl', 'ocsp', 'strict']],
  ['ppk', ['id', 'secret', 'required']],
  ['ppk.secret', ['base64', 'hex']],
]);
