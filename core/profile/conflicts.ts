/** What the fields of a profile, each good by itself, do not allow together. */
import { parseProposals } from '../ike/proposals.ts';
import { keyMismatch } from '../pki/privateKey.ts';
import type { ProfileProblem } from '../rpc/contract.ts';
import { eapAuthoritiesOf, eapMethodsOf, octets, trustMethodOf } from './convert.ts';
import { shown } from './faults.ts';
import type { Material } from './material.ts';
import { DEFAULTS, TLS_METHODS } from './model.ts';
import { ANY_IDENTITY, LOCAL_ID, type ProfileFile } from './schema.ts';
import { type AnyAuthFile, KEY } from './schemaAuth.ts';
import { SECRET_MAX } from './schemaParts.ts';

type Add = (field: string, code: ProfileProblem['code'], message: string) => void;

/** Fields that are wrong by themselves (`wrong`) are not judged again. Fields are named as in `ProfileFields`. */
export function conflicts(
  file: Partial<ProfileFile>,
  material: Material,
  wrong: ReadonlySet<string> = new Set(),
): readonly ProfileProblem[] {
  const found: ProfileProblem[] = [];
  const add: Add = (field, code, message) => {
    if (!wrong.has(field)) found.push({ field, code, message });
  };
  if (file.auth) {
    secretConflicts(file.auth, file.gatewayAuth?.secret, file.ppk?.secret, add);
    ownConflicts(file, file.auth, material, add);
    gatewayConflicts(file, file.auth, material, add);
  }
  networkConflicts(file, wrong, add);
  return found;
}

function secretConflicts(auth: AnyAuthFile, gateway: AnyAuthFile['secret'], ppk: AnyAuthFile['secret'], add: Add): void {
  for (const [field, given] of [
    ['secret', auth.secret],
    ['trust.secret', gateway],
    ['ppk', ppk],
  ] as const) {
    const secret = octets(given);
    if (secret && secret.length > SECRET_MAX) add(field, 'too-long', `expected at most ${SECRET_MAX} octets`);
    secret?.fill(0);
  }
}

function ownConflicts({ localId }: Partial<ProfileFile>, auth: AnyAuthFile, material: Material, add: Add): void {
  const { certificates, key } = material;
  if (auth.method === 'psk') {
    if (localId === undefined) add('localId', 'required', `is missing; expected ${LOCAL_ID}`);
    return;
  }
  const needed = auth.method !== 'eap' || auth.methods?.includes('tls') === true;
  const [mine] = certificates;
  if (needed && !mine) {
    const why = auth.method === 'eap' ? '"tls" needs it' : `"${auth.method}" needs it`;
    add('certificates', 'certificate-required', `is missing; expected your certificate in PEM: ${why}`);
  }
  const tls = auth.methods?.find((method) => TLS_METHODS.has(method));
  if (tls && eapAuthoritiesOf(material).length === 0) {
    add('eap.authorities', 'required', `is missing; expected CA certificates in PEM: "${tls}" checks its server by them`);
  }
  if (key && !mine) add('certificates', 'certificate-required', 'is missing; expected the certificate of the key in PEM');
  if (key && mine && keyMismatch(key.signer, mine.publicKey)) {
    add(
      'key',
      'key-mismatch',
      `expected the key of the certificate of ${shown(mine.subject.text)}; this is another one (${KEY})`,
    );
  }
}

/** RFC 5998 §4 of those that are known here: they prove the server and make a key, before a password is told. */
const MUTUAL: ReadonlySet<string> = TLS_METHODS;

function gatewayConflicts(
  { remoteId, gatewayAuth }: Partial<ProfileFile>,
  auth: AnyAuthFile,
  material: Material,
  add: Add,
): void {
  const { authorities } = material;
  const method = trustMethodOf(auth, gatewayAuth);
  if (method === 'eap-only') {
    if (auth.method !== 'eap') add('trust.method', 'method-conflict', '"eap-only" goes with "eap" only');
    else if (!eapMethodsOf(auth, material).some((one) => MUTUAL.has(one))) {
      add('eap.methods', 'method-conflict', `expected one that proves the server: ${[...MUTUAL].join(', ')}`);
    }
  }
  if (gatewayAuth?.secret !== undefined && (method !== 'psk' || auth.method === 'psk')) {
    const why = auth.method === 'psk' ? 'the one of "auth" is for both sides' : `the method is "${method}"`;
    add('trust.secret', 'method-conflict', `does not belong here: ${why}`);
  }
  const { crl, ocsp, strict } = gatewayAuth?.revocation ?? {};
  if (strict && crl === false && ocsp === false) {
    add(
      'trust.revocation',
      'choice-invalid',
      '"strict" takes nothing unchecked, and with "crl" and "ocsp" both false nobody is asked; expected one of them, or no "strict"',
    );
  }
  if (method !== 'certificate') return;
  const roots = gatewayAuth?.systemRoots ?? authorities.length === 0;
  if (!roots && authorities.length === 0) {
    add('trust.authorities', 'required', 'is missing; expected CA certificates in PEM, or "systemRoots": true');
  }
  if (roots && remoteId === ANY_IDENTITY) {
    add(
      'remoteId',
      'method-conflict',
      '"%any" with the authorities of this computer would take everybody’s certificate; expected the gateway’s identity',
    );
  }
}

function networkConflicts(file: Partial<ProfileFile>, wrong: ReadonlySet<string>, add: Add): void {
  for (const [field, use] of [
    ['ikeProposals', 'ike'],
    ['espProposals', 'esp'],
  ] as const) {
    if (wrong.has(field)) continue;
    const parsed = parseProposals(file[field] ?? DEFAULTS.proposals, use);
    if (!parsed.ok) add(field, 'proposal-invalid', shown(parsed.error.message));
  }
  if (file.ipv4 === false && file.ipv6 === false) {
    add('ipv4', 'no-family', 'expected at least one of ipv4 and ipv6 to be true');
  } else if (!wrong.has('remoteNetworks')) {
    const allowed = (networks: readonly string[]) =>
      networks.some((network) => (network.includes(':') ? file.ipv6 !== false : file.ipv4 !== false));
    const why = 'expected at least one network of a family that ipv4 and ipv6 allow';
    if (!allowed(file.remoteNetworks ?? DEFAULTS.remoteNetworks)) add('remoteNetworks', 'no-network-of-family', why);
    const without = wrong.has('additionalChildren')
      ? -1
      : (file.additionalChildren ?? []).findIndex(({ remoteNetworks }) => !allowed(remoteNetworks));
    if (without >= 0) add('additionalChildren', 'no-network-of-family', `number ${without + 1}: ${why}`);
  }
}
