/**
 * Certificate policies along a path (RFC 5280 §6.1.2–6.1.5), every policy being acceptable to us (user-initial-policy-set is
 * anyPolicy). Kept as one level of RFC 9618's graph instead of RFC 5280's tree, which grows exponentially (CVE-2023-0464): whether
 * anything is left at the end needs no more.
 */
import type { Certificate } from './contract.ts';

const anyPolicy = '2.5.29.32.0';
/** Policies that can be alive at one level. */
const maxPolicies = 512;

export class PolicyState {
  /** valid_policy and its expected_policy_set; undefined: the graph is NULL. */
  #level: Map<string, ReadonlySet<string>> | undefined = new Map([[anyPolicy, new Set([anyPolicy])]]);
  #explicitPolicy: number;
  #inhibitAny: number;
  #policyMapping: number;

  /** `length`: certificates of the path without the anchor. */
  constructor(length: number) {
    this.#explicitPolicy = length + 1;
    this.#inhibitAny = length + 1;
    this.#policyMapping = length + 1;
  }

  /** §6.1.3 (d)–(f) for the next certificate. Evidence when the path must fail. */
  process(certificate: Certificate, selfIssued: boolean, final: boolean): string | undefined {
    this.#level = this.#next(certificate.extensions.policies, this.#inhibitAny > 0 || (!final && selfIssued));
    if (this.#level !== undefined && this.#level.size > maxPolicies) return 'too many policies';
    return this.#explicitPolicy > 0 || this.#level !== undefined ? undefined : 'no valid policy is left';
  }

  /** §6.1.4 (a), (b), (h)–(j): before the certificate that this one issued. */
  prepare({ extensions }: Certificate, selfIssued: boolean): string | undefined {
    for (const { issuer, subject } of extensions.policyMappings ?? []) {
      if (issuer === anyPolicy || subject === anyPolicy) return 'anyPolicy is mapped'; // (a)
    }
    this.#map(extensions.policyMappings ?? []);
    if (!selfIssued) {
      this.#explicitPolicy = Math.max(0, this.#explicitPolicy - 1);
      this.#policyMapping = Math.max(0, this.#policyMapping - 1);
      this.#inhibitAny = Math.max(0, this.#inhibitAny - 1);
    }
    const { requireExplicit, inhibitMapping } = extensions.policyConstraints ?? {};
    this.#explicitPolicy = Math.min(this.#explicitPolicy, requireExplicit ?? Number.MAX_SAFE_INTEGER);
    this.#policyMapping = Math.min(this.#policyMapping, inhibitMapping ?? Number.MAX_SAFE_INTEGER);
    this.#inhibitAny = Math.min(this.#inhibitAny, extensions.inhibitAnyPolicy ?? Number.MAX_SAFE_INTEGER);
    return undefined;
  }

  /** §6.1.5 (a), (b), (g). */
  wrapUp({ extensions }: Certificate, selfIssued: boolean): string | undefined {
    if (!selfIssued) this.#explicitPolicy = Math.max(0, this.#explicitPolicy - 1);
    if (extensions.policyConstraints?.requireExplicit === 0) this.#explicitPolicy = 0;
    return this.#explicitPolicy > 0 || this.#level !== undefined ? undefined : 'no valid policy is left';
  }

  #next(policies: readonly string[] | undefined, anyAllowed: boolean): Map<string, ReadonlySet<string>> | undefined {
    const above = this.#level;
    if (above === undefined || policies === undefined) return undefined; // (e)
    const expected = new Set([...above.values()].flatMap((set) => [...set]));
    const level = new Map<string, ReadonlySet<string>>();
    for (const policy of policies) {
      // (d)(1)
      if (policy !== anyPolicy && (expected.has(policy) || above.has(anyPolicy))) level.set(policy, new Set([policy]));
    }
    // (d)(2)
    if (policies.includes(anyPolicy) && anyAllowed) {
      for (const policy of expected) if (!level.has(policy)) level.set(policy, new Set([policy]));
    }
    return level.size === 0 ? undefined : level;
  }

  /** (b) */
  #map(mappings: readonly { readonly issuer: string; readonly subject: string }[]): void {
    const level = this.#level;
    if (level === undefined) return;
    for (const issuer of new Set(mappings.map((mapping) => mapping.issuer))) {
      if (this.#policyMapping === 0) level.delete(issuer);
      else if (level.has(issuer) || level.has(anyPolicy)) {
        level.set(issuer, new Set(mappings.filter((mapping) => mapping.issuer === issuer).map((mapping) => mapping.subject)));
      }
    }
    if (level.size === 0) this.#level = undefined;
  }
}
