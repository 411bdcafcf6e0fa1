/**
 * Is this chain the one the profile expects? The profile's authorities, and the computer's where the profile says so, against the name
 * of the gateway; and the same for the server of EAP-TLS, TTLS and PEAP with authorities and a name of its own: what is trusted for one
 * is not for the other (SECURITY.md 5). Nothing here asks a network.
 */
import { equalBytes, fromUtf8 } from '../bytes/bytes.ts';
import { err, ok, type Result } from '../bytes/result.ts';
import type { EapFailure } from '../ike/auth/eap/contract.ts';
import { parseIdentity } from '../ike/identity.ts';
import type { IkeFailure } from '../ike/sa/contract.ts';
import { ID } from '../ike/wire/constants.ts';
import type { Certificate, ExpectedName, PathRequest, PkiFault, ValidPath } from '../pki/contract.ts';
import type { Profile } from '../profile/model.ts';
import { gatewayCodes } from '../tunnel/gatewayCodes.ts';

export interface Pki {
  readonly parseCertificate: (der: Uint8Array) => Result<Certificate, PkiFault>;
  readonly validatePath: (request: PathRequest) => Result<ValidPath, PkiFault>;
}

export interface TrustPorts {
  readonly pki: Pki;
  /** The computer's roots; asked for only where the profile wants them. */
  readonly systemRoots: () => readonly Certificate[];
  /** Date.now() milliseconds. */
  readonly now: () => number;
}

export interface GatewayTrust {
  /** Of the profile alone. */
  readonly authorities: readonly Certificate[];
  /** Those, and the computer's where the profile wants them. */
  anchors(): readonly Certificate[];
  gateway(presented: readonly Uint8Array[]): Result<ValidPath, IkeFailure>;
  /** `presented`: as the TLS server sent them, its own first. */
  tlsServer(presented: readonly Uint8Array[]): Result<ValidPath, EapFailure>;
}

/** An error: a certificate of the stored profile does not read. */
export function createGatewayTrust(ports: TrustPorts, profile: Profile): Result<GatewayTrust, PkiFault> {
  const authorities = parseAll(ports.pki, profile.trust.authorities);
  if (!authorities.ok) return authorities;
  const intermediates = parseAll(ports.pki, profile.trust.intermediates);
  if (!intermediates.ok) return intermediates;
  const ofServer = parseAll(ports.pki, profile.eap?.authorities ?? []);
  if (!ofServer.ok) return ofServer;
  const own = authorities.value;
  let anchors: readonly Certificate[] | undefined;
  const all = () => {
    anchors ??= profile.trust.systemRoots ? [...own, ...ports.systemRoots()] : own;
    return anchors;
  };

  return ok({
    authorities: own,
    anchors: all,

    gateway(presented) {
      const [first] = presented;
      if (!first) return err({ code: 'gateway-no-certificate', evidence: 'it sent no certificate' });
      const name = isPinned(first, own) ? undefined : expectedName(profile.remoteId, profile.gateway, profile.trust.commonName);
      const valid = ports.pki.validatePath({
        presented,
        intermediates: intermediates.value,
        anchors: all(),
        at: ports.now(),
        purpose: 'ike',
        ...(name && { name }),
      });
      return valid.ok ? valid : err(ikeFault(valid.error));
    },

    tlsServer(presented) {
      const [first] = presented;
      if (!first) return err({ code: 'eap-server-certificate', evidence: 'the server sent no certificate' });
      const serverName = profile.eap?.serverName || profile.remoteId;
      const name = isPinned(first, ofServer.value)
        ? undefined
        : expectedName(serverName, profile.gateway, profile.trust.commonName);
      const valid = ports.pki.validatePath({
        presented,
        anchors: ofServer.value,
        at: ports.now(),
        purpose: 'tls-server',
        ...(name && { name }),
      });
      return valid.ok ? valid : err(eapFault(valid.error));
    },
  });
}

/** Certificates of a profile: base64 of DER. */
export function parseAll(pki: Pki, texts: readonly string[]): Result<readonly Certificate[], PkiFault> {
  const read: Certificate[] = [];
  for (const text of texts) {
    const parsed = pki.parseCertificate(new Uint8Array(Buffer.from(text, 'base64')));
    if (!parsed.ok) return parsed;
    read.push(parsed.value);
  }
  return ok(read);
}

/**
 * The name a certificate must be about. Without an identity to hold it against (any is taken, or a key id, which no certificate
 * carries) it is where the connection goes: a valid certificate of somebody else is not the gateway (SECURITY.md 3).
 */
export function expectedName(identity: string | undefined, gateway: string, commonName: boolean): ExpectedName {
  for (const text of [identity, gateway]) {
    const parsed = text === undefined ? undefined : parseIdentity(text);
    if (!parsed?.ok) continue;
    const { type, data } = parsed.value;
    if (type === ID.FQDN) return { identity: { type: 'fqdn', data }, commonName };
    if (type === ID.IPV4_ADDR || type === ID.IPV6_ADDR) return { identity: { type: 'ip', data }, commonName };
    if (type === ID.RFC822_ADDR) return { identity: { type: 'email', data }, commonName };
    if (type === ID.DER_ASN1_DN) return { identity: { type: 'dn', data }, commonName };
  }
  return { identity: { type: 'fqdn', data: fromUtf8(gateway) }, commonName };
}

/** A certificate of the profile that can issue none can only mean one thing: this is the gateway, whatever names are in it. */
function isPinned(presented: Uint8Array, authorities: readonly Certificate[]): boolean {
  return authorities.some(({ der, extensions }) => extensions.basicConstraints?.ca !== true && equalBytes(der, presented));
}

export function ikeFault({ code, evidence }: PkiFault): IkeFailure {
  return { code: gatewayCodes[code], evidence: `${code}: ${evidence}` };
}

export function eapFault({ code, evidence }: PkiFault): EapFailure {
  return { code: 'eap-server-certificate', evidence: `${code}: ${evidence}` };
}
