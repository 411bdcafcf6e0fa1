/** What a key may be used for: key usage and extended key usage (RFC 5280 §4.2.1.3, §4.2.1.12; RFC 4945 §5.1.3.2, §5.1.3.12). */
import type { Certificate, KeyUsage, PathRequest } from './contract.ts';

export type Purpose = PathRequest['purpose'];

const anyExtendedKeyUsage = '2.5.29.37.0';

interface PurposeRule {
  /** One of these suffices where the certificate has key usage. */
  readonly usages: readonly KeyUsage[];
  /** One of these, or any, where it has extended key usage; and where authorities above have, one they have too. */
  readonly extended: readonly string[];
}

const serverAuth = '1.3.6.1.5.5.7.3.1';
const clientAuth = '1.3.6.1.5.5.7.3.2';
const ikeUsages: readonly KeyUsage[] = ['digitalSignature', 'nonRepudiation'];
const gatewayUsages: readonly string[] = ['1.3.6.1.5.5.7.3.17', serverAuth, '1.3.6.1.5.5.8.2.2'];

const rules: Readonly<Record<Exclude<Purpose, 'any'>, PurposeRule>> = {
  // RFC 4945 §5.1.3.2: digitalSignature, nonRepudiation, or both. §5.1.3.12 wants ipsecIKE or any; gateways' certificates are made for TLS, or
  // with iKEIntermediate for old Macs. One for clients alone is a user's, who is not the gateway, whatever names are in it.
  ike: { usages: ikeUsages, extended: gatewayUsages },
  'ike-user': { usages: ikeUsages, extended: [...gatewayUsages, clientAuth] },
  // §4.2.1.12 names the usages that are consistent with each.
  'tls-server': { usages: ['digitalSignature', 'keyEncipherment', 'keyAgreement'], extended: [serverAuth] },
  'tls-client': { usages: ['digitalSignature', 'keyAgreement'], extended: [clientAuth] },
};

/** Evidence, and which of the two it is about. */
export interface PurposeFault {
  readonly code: 'key-usage' | 'extended-key-usage';
  readonly evidence: string;
}

/** The end entity's own fitness. */
export function endEntityPurposeFault({ extensions }: Certificate, purpose: Purpose): PurposeFault | undefined {
  if (purpose === 'any') return undefined;
  const { usages } = rules[purpose];
  const { keyUsage } = extensions;
  if (keyUsage === undefined || usages.some((usage) => keyUsage.has(usage))) return undefined;
  return { code: 'key-usage', evidence: `its key is for ${[...keyUsage].join(', ')}` };
}

/**
 * Extended key usages along a path, the end entity first. In an authority's certificate they restrict what is below, which RFC 5280 does not
 * say and all validators in use do; one usage must be left that all of them have.
 */
export function extendedUsageFault(path: readonly Certificate[], purpose: Purpose): { readonly at: number } | undefined {
  if (purpose === 'any') return undefined;
  let left: readonly string[] = rules[purpose].extended;
  for (const [at, { extensions }] of path.entries()) {
    const { extendedKeyUsage } = extensions;
    if (extendedKeyUsage === undefined || extendedKeyUsage.includes(anyExtendedKeyUsage)) continue;
    left = left.filter((usage) => extendedKeyUsage.includes(usage));
    if (left.length === 0) return { at };
  }
  return undefined;
}
