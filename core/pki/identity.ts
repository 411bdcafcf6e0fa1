/**
 * Is this certificate about whom we expect? RFC 4945 §3.1: the subjectAltName of the same kind, compared as a whole; the common name only when
 * the profile allows it and there is no subjectAltName of that kind.
 *
 * Wildcards: RFC 4945 §3.1.2 forbids them for IKE, strongSwan (Linux and Android) refuses them, Windows takes them. Any host of the domain
 * could be the gateway otherwise, so we refuse. Servers of EAP's TLS are matched by RFC 6125 §6.4.3: `*` as the whole left-most label.
 */
import { formatAddress, parseAddress } from '../bytes/address.ts';
import { equalBytes, fromUtf8, toUtf8 } from '../bytes/bytes.ts';
import type { Certificate, ExpectedName, GeneralName } from './contract.ts';
import { isDnsName, splitMailbox } from './nameConstraints.ts';
import { attribute, attributeTexts, isEmptyName, printable, readName, sameName } from './names.ts';

/** Undefined when the certificate is about that name; a line of evidence otherwise. */
export function nameFault(certificate: Certificate, expected: ExpectedName, wildcards: boolean): string | undefined {
  if (matches(certificate, expected, wildcards)) return undefined;
  const why = nearMiss(certificate, expected, wildcards);
  return `it is about ${namesText(certificate)}, not ${identityText(expected.identity)}${why === undefined ? '' : `: ${why}`}`;
}

/** The name is in it, and does not count: without the reason the two names look the same to people. */
function nearMiss(certificate: Certificate, expected: ExpectedName, wildcards: boolean): string | undefined {
  if (!expected.commonName && matches(certificate, { ...expected, commonName: true }, wildcards))
    return 'a common name counts only where the profile allows it ("commonName")';
  if (!wildcards && matches(certificate, expected, true)) return 'a name with * is not taken for a gateway (RFC 4945 §3.1.2)';
  const { type, data } = expected.identity;
  const asHost = (name: GeneralName): boolean => {
    const address = name.kind === 'dns' ? parseAddress(name.value) : undefined;
    return address !== undefined && equalBytes(address, data);
  };
  return type === 'ip' && certificate.extensions.subjectAltName?.some(asHost)
    ? 'the address is in it as a host name (DNS), and not as an address (IP)'
    : undefined;
}

/**
 * The common names that may be used as host name, address or mailbox, as the subjectAltNames they stand for, so that constraints hold for
 * them in the very form that is compared: none where a subjectAltName of that kind is there.
 */
export function usableCommonNames(certificate: Certificate, expected: ExpectedName): readonly GeneralName[] {
  if (!expected.commonName) return [];
  const kind = altKinds[expected.identity.type];
  if (kind === undefined || certificate.extensions.subjectAltName?.some((name) => name.kind === kind)) return [];
  return attributeTexts(certificate.subject, attribute.commonName).flatMap((text) => alternativeOf(kind, text) ?? []);
}

/** All names of a certificate in one line: those of subjectAltName, else the subject. */
export function namesText({ subject, extensions }: Certificate): string {
  const names = extensions.subjectAltName ?? [];
  const shown = names.slice(0, 8).map((name) => `${labels[name.kind]}${generalNameText(name)}`);
  if (names.length > 8) shown.push(`${names.length - 8} more`);
  return shown.length > 0 ? shown.join(', ') : printable(subject.text) || '(no name)';
}

/** The name alone, printable. */
export function generalNameText(name: GeneralName): string {
  switch (name.kind) {
    case 'ip':
      return formatAddress(name.value);
    case 'directory':
      return printable(name.value.text);
    case 'other':
      return `a name of kind [${name.tag}]`;
    default:
      return printable(name.value);
  }
}

const labels: Readonly<Record<GeneralName['kind'], string>> = {
  dns: 'DNS:',
  email: 'email:',
  uri: 'URI:',
  ip: 'IP:',
  directory: 'DN:',
  other: '',
};

export function identityText({ type, data }: ExpectedName['identity']): string {
  switch (type) {
    case 'ip':
      return data.length === 4 || data.length === 16 ? `the address ${formatAddress(data)}` : 'an address that is none';
    case 'dn':
      return `the name ${printable(readName(data)?.text ?? '(none)')}`;
    case 'email':
      return `the mailbox ${printable(toUtf8(data))}`;
    case 'fqdn':
      return `the host ${printable(toUtf8(data))}`;
  }
}

const altKinds: Readonly<Record<ExpectedName['identity']['type'], 'dns' | 'ip' | 'email' | undefined>> = {
  fqdn: 'dns',
  ip: 'ip',
  email: 'email',
  dn: undefined,
};

function alternativeOf(kind: 'dns' | 'ip' | 'email', text: string): GeneralName | undefined {
  switch (kind) {
    case 'dns': {
      const value = text.replace(/\.$/, '');
      return isDnsName(value) ? { kind, value } : undefined;
    }
    case 'ip': {
      const value = parseAddress(text);
      return value && { kind, value };
    }
    case 'email':
      return splitMailbox(text) && { kind, value: text };
  }
}

function matches(certificate: Certificate, expected: ExpectedName, wildcards: boolean): boolean {
  const { type, data } = expected.identity;
  const names = [...(certificate.extensions.subjectAltName ?? []), ...usableCommonNames(certificate, expected)];
  switch (type) {
    case 'fqdn': {
      const wanted = hostName(toUtf8(data));
      if (wanted === undefined) return false;
      return names.some((name) => name.kind === 'dns' && sameHost(name.value, wanted, wildcards));
    }
    case 'ip':
      return names.some((name) => name.kind === 'ip' && equalBytes(name.value, data));
    case 'email': {
      const wanted = mailbox(toUtf8(data));
      if (wanted === undefined) return false;
      return names.some((name) => name.kind === 'email' && mailbox(name.value) === wanted);
    }
    case 'dn': {
      // §3.1.5: the whole subject.
      const wanted = readName(data);
      return wanted !== undefined && !isEmptyName(wanted) && sameName(wanted, certificate.subject);
    }
  }
}

/** Lower case, without the root's final period; undefined for what is no host name (an address, a wildcard, U+0000 inside). */
function hostName(text: string): string | undefined {
  const host = text.replace(/\.$/, '');
  // Before it is made lower case: U+212A would be a "k" then.
  if (!isDnsName(host) || host.startsWith('*') || parseAddress(host) !== undefined) return undefined;
  return host.toLowerCase();
}

function sameHost(presented: string, wanted: string, wildcards: boolean): boolean {
  if (!presented.startsWith('*.')) return hostName(presented) === wanted;
  if (!wildcards) return false;
  // One label, and at least two more to the right: never `*.com`.
  const base = hostName(presented.slice(2));
  return base?.includes('.') === true && wanted.slice(wanted.indexOf('.') + 1) === base && wanted.includes('.');
}

/** §3.1.3: mailboxes of IKE are compared without regard to case, all of them. */
function mailbox(text: string): string | undefined {
  return splitMailbox(text) === undefined || fromUtf8(text).length > 320 ? undefined : text.toLowerCase();
}
