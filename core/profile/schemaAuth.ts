/** `auth` and `gatewayAuth` of a profile file: how the user and how the gateway prove who they are. Certificates and keys are PEM. */
import * as v from 'valibot';
import { SIGNATURE_NAMES } from '../crypto/signatureNames.ts';
import type { EapMethodName } from '../ike/auth/eap/contract.ts';
import { BASE64, HEX, SECRET_MAX, text, UNPRINTABLE } from './schemaParts.ts';

export const EAP_METHODS = ['mschapv2', 'tls', 'gtc', 'otp', 'md5', 'ttls', 'peap'] as const satisfies readonly EapMethodName[];

export const METHODS = '"psk", "certificate", "eap" or "certificate-eap"';
export const PEM_MAX = 64 * 1024;
const CERTIFICATE_TEXT = 'PEM text of a certificate, from "-----BEGIN CERTIFICATE-----" on';
const CERTIFICATE = `${CERTIFICATE_TEXT}, or a list of such texts`;
export const KEY = 'PEM text of the private key, from "-----BEGIN PRIVATE KEY-----" on';
const SECRET = `text, or an object with one key, "base64" or "hex", 1 to ${SECRET_MAX} octets`;
const FLAG = 'true or false';

const secretText = (fits: (value: string) => boolean) => text(SECRET, fits, 2048);
/** Text, or octets in base64 or hex. */
export const secret = v.union(
  [
    secretText(() => true),
    v.strictObject({ base64: secretText((value) => BASE64.test(value)) }),
    v.strictObject({ hex: secretText((value) => HEX.test(value)) }),
  ],
  SECRET,
);
/** What is in the blocks is told by who reads them (material.ts). */
const pem = (expected: string) => text(expected, (value) => value.includes('-----BEGIN '), PEM_MAX);
const certificates = v.union(
  [
    pem(CERTIFICATE),
    v.pipe(
      v.array(pem(CERTIFICATE)),
      v.check((value) => value.length >= 1 && value.length <= 100, `1 to 100 texts, each ${CERTIFICATE_TEXT}`),
    ),
  ],
  CERTIFICATE,
);
const name = (expected: string) => text(expected, (value) => value.trim() !== '' && !UNPRINTABLE.test(value), 253);
const flag = v.optional(v.boolean(FLAG));

const SIGNATURE_LIST = `a list of ${SIGNATURE_NAMES.map((one) => `"${one}"`).join(', ')}, the preferred first`;
const key = {
  /** The end entity first, then what leads to an authority the gateway knows. */
  certificate: v.optional(certificates),
  key: v.optional(pem(KEY)),
  /** Of an encrypted key. */
  keyPassword: v.optional(text('text, 1 to 1024 characters', () => true, 1024)),
  /** What the key may sign with; without it all that it can, PSS before PKCS #1. */
  signatures: v.optional(
    v.pipe(
      v.array(v.picklist(SIGNATURE_NAMES, SIGNATURE_LIST), SIGNATURE_LIST),
      v.check((value) => value.length >= 1 && new Set(value).size === value.length, SIGNATURE_LIST),
    ),
  ),
};
const METHOD_LIST = `a list of ${EAP_METHODS.map((method) => `"${method}"`).join(', ')}, the preferred first`;
const eap = {
  methods: v.optional(
    v.pipe(
      v.array(v.picklist(EAP_METHODS, METHOD_LIST), METHOD_LIST),
      v.check(
        (value) => value.length >= 1 && value.length <= EAP_METHODS.length && new Set(value).size === value.length,
        METHOD_LIST,
      ),
    ),
  ),
  /** Without it the user is asked, and so without the password. */
  identity: v.optional(name('a user name, 1 to 253 characters, none of them invisible')),
  password: v.optional(text('text, 1 to 1024 characters', () => true, 1024)),
  /** Of the server of EAP-TLS, TTLS and PEAP. */
  serverName: v.optional(name('the name of the EAP server')),
  /** Of the same. */
  authorities: v.optional(certificates),
};

function takes(method: string, ...fields: readonly string[]): string {
  return `"${method}" takes ${fields.map((field) => `"${field}"`).join(', ')}`;
}

export const authSchema = v.variant(
  'method',
  [
    /** Without the secret the user is asked when connecting. */
    v.strictObject({ method: v.literal('psk'), secret: v.optional(secret) }, takes('psk', 'secret')),
    v.strictObject({ method: v.literal('certificate'), ...key }, takes('certificate', ...Object.keys(key))),
    v.strictObject({ method: v.literal('eap'), ...eap, ...key }, takes('eap', ...Object.keys(eap), ...Object.keys(key))),
    v.strictObject(
      { method: v.literal('certificate-eap'), ...eap, ...key },
      takes('certificate-eap', ...Object.keys(eap), ...Object.keys(key)),
    ),
  ],
  (issue) => (issue.path ? METHODS : 'an object with "method"'),
);

export const AUTH_FIELDS: readonly string[] = ['method', 'secret', ...Object.keys(eap), ...Object.keys(key)];

const GATEWAY_METHODS = '"certificate", "psk" or "eap-only"';
const GATEWAY = 'an object with "method", "authorities", "systemRoots" and others';
const REVOCATION = 'an object with "crl", "ocsp" and "strict", each true or false';
const object = (expected: string) => v.custom<object>((value) => !Array.isArray(value), expected);

const gatewayAuth = v.strictObject(
  {
    method: v.optional(v.picklist(['psk', 'certificate', 'eap-only'], GATEWAY_METHODS)),
    /** Of method `psk`, where `auth` has another. */
    secret: v.optional(secret),
    /** CA certificates, or the gateway's own. */
    authorities: v.optional(certificates),
    intermediates: v.optional(certificates),
    systemRoots: flag,
    certreq: flag,
    commonName: flag,
    revocation: v.optional(v.pipe(object(REVOCATION), v.strictObject({ crl: flag, ocsp: flag, strict: flag }, REVOCATION))),
  },
  GATEWAY,
);
export const gatewayAuthSchema = v.pipe(object(GATEWAY), gatewayAuth);
export const GATEWAY_FIELDS: readonly string[] = Object.keys(gatewayAuth.entries);

export type AuthFile = v.InferOutput<typeof authSchema>;
export type GatewayAuthFile = v.InferOutput<typeof gatewayAuthSchema>;
/** With all that any method has. */
export type AnyAuthFile = Partial<
  Omit<Extract<AuthFile, { readonly method: 'eap' }>, 'method'> & Omit<Extract<AuthFile, { readonly method: 'psk' }>, 'method'>
> & { readonly method: AuthFile['method'] };
