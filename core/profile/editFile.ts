/** A profile and the fields that change, in the form of a file: so the rules of files hold for what is edited. */
import { looksLikePem } from '../pki/pem.ts';
import type { EapSettings, ValidParams } from '../rpc/contract.ts';
import { defaultEapMethods, defaultTrust, type Profile } from './model.ts';
import { ANY_IDENTITY } from './schema.ts';

type GivenFields = ValidParams<'profile.save'>['fields'];
type FileFields = Readonly<Record<string, unknown>>;

/** As typed. */
export interface GivenSecrets {
  readonly psk?: string | undefined;
  readonly password?: string | undefined;
  /** PEM. */
  readonly key?: string | undefined;
  readonly keyPassword?: string | undefined;
  readonly ppk?: string | undefined;
}

/** What the base says where nothing is given. */
export function fileOf(base: Profile | undefined, fields: GivenFields, secrets: GivenSecrets): FileFields {
  const { auth: _auth, certificates: _certificates, eap: _eap, trust: _trust, ...plain } = fields;
  const given = Object.fromEntries(Object.entries(plain).filter(([, value]) => value !== undefined));
  const method = fields.auth ?? base?.auth ?? 'psk';
  const file: Record<string, unknown> = { sallyport: 1, ...(base && stored(base, fields)), ...given };
  const ppk = { ...base?.ppk, ...present(fields.ppk ?? {}), ...(secrets.ppk !== undefined && { secret: secrets.ppk }) };
  if (fields.ppk?.id === '' || Object.keys(ppk).length === 0) delete file.ppk;
  else file.ppk = ppk;
  if (file.remoteId === '') delete file.remoteId;
  if (file.localId === '' && method !== 'psk') delete file.localId;
  const gatewayAuth = gatewayAuthOf(base, fields, method);
  const gatewayPsk = method !== 'psk' && gatewayAuth?.method === 'psk';
  file.auth = authOf(base, fields, method, gatewayPsk ? { ...secrets, psk: undefined } : secrets);
  if (gatewayAuth) file.gatewayAuth = { ...gatewayAuth, ...(gatewayPsk && secrets.psk !== undefined && { secret: secrets.psk }) };
  return file;
}

function stored(base: Profile, fields: GivenFields): FileFields {
  const {
    id: _id,
    auth: _auth,
    certificates: _certificates,
    signatures: _signatures,
    eap: _eap,
    trust: _trust,
    locked,
    remoteId,
    ...rest
  } = base;
  // An identity that was the gateway's name follows it to the new one.
  const follows = fields.gateway !== undefined && remoteId === base.gateway && !locked.includes('remoteId');
  return { ...rest, ...(!follows && { remoteId: remoteId ?? ANY_IDENTITY }) };
}

function authOf(base: Profile | undefined, fields: GivenFields, method: string, secrets: GivenSecrets): FileFields {
  if (method === 'psk') return present({ method, secret: secrets.psk });
  const certificates = fields.certificates ?? base?.certificates ?? [];
  // Another key may not be able to sign so.
  const signatures = fields.certificates || !base?.signatures.length ? undefined : base.signatures;
  const key = { certificate: pemList(certificates), key: secrets.key, keyPassword: secrets.keyPassword, signatures };
  if (method !== 'eap' && method !== 'certificate-eap') return present({ method, ...key });
  const { methods, identity, serverName, authorities }: Partial<EapSettings> = { ...base?.eap, ...present(fields.eap ?? {}) };
  // Those of the gateway, as the file that named no others had it.
  const follow = !fields.eap?.authorities && base?.eap?.authorities.join() === base?.trust.authorities.join();
  return present({
    method,
    methods: fields.eap?.methods ?? methodsOf(methods),
    // Empty in a form is absent in a file.
    identity: identity || undefined,
    password: secrets.password,
    serverName: serverName || undefined,
    authorities: follow ? undefined : pemList(authorities ?? []),
    ...key,
  });
}

/** The default is no choice of the user's: with other certificates it is found again. */
function methodsOf(methods: readonly string[] | undefined): readonly string[] | undefined {
  const usual = [true, false].flatMap((certificate) =>
    [true, false].map((anchors) => defaultEapMethods(certificate, anchors).join()),
  );
  return methods && usual.includes(methods.join()) ? undefined : methods;
}

function gatewayAuthOf(base: Profile | undefined, fields: GivenFields, method: string): FileFields | undefined {
  const { trust: given = {} } = fields;
  if (!base) return fields.trust && trustFile(present(given));
  const isDefault = base.trust.method === defaultTrust(base.auth).method;
  const { method: before, systemRoots, ...rest } = base.trust;
  const trustMethod = given.method ?? (method !== base.auth && isDefault ? undefined : before);
  return trustFile({
    ...rest,
    method: trustMethod,
    // What a pre-shared key did not ask for was nobody's wish.
    systemRoots: before === 'psk' ? undefined : systemRoots,
    ...present(given),
    revocation: { ...rest.revocation, ...present(given.revocation ?? {}) },
  });
}

function trustFile(trust: FileFields): FileFields {
  return present({ ...trust, authorities: pemList(trust.authorities), intermediates: pemList(trust.intermediates) });
}

/** Base64 of DER becomes PEM; an empty list is none. */
function pemList(texts: unknown): readonly string[] | undefined {
  const list = Array.isArray(texts) ? texts.map(String) : [];
  if (list.length === 0) return undefined;
  return list.map((text) => (looksLikePem(text) ? text : `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`));
}

function present(fields: FileFields): FileFields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
