/** The report the lens shows. */
import type { CertificateReport, ProfileView } from '../../../core/rpc/contract.ts';
import { call, type Reply } from '../../api.ts';
import type { LensSubject } from '../../store/lens.ts';

/** As many as the helper takes at once. */
const MOST = 16;

/** Null: the profile has no such certificate. `revocation` asks the network; of a gateway that is always done. */
export async function readReport(
  { whose, profile: { id } }: LensSubject,
  revocation: boolean,
): Promise<Reply<CertificateReport | null>> {
  if (whose === 'gateway') return call('cert.fetch', { profile: id });
  const shown = await call('profile.show', { profile: id });
  if (!shown.ok) return shown;
  return whose === 'own' ? ownReport(shown.value, revocation) : authoritiesReport(shown.value);
}

async function ownReport(view: ProfileView, revocation: boolean): Promise<Reply<CertificateReport | null>> {
  if (view.certificates.length === 0) return { ok: true, value: null };
  // With EAP the certificate need not be about who we say we are to the gateway.
  const signs = view.auth === 'certificate' || view.auth === 'certificate-eap';
  const expect = signs && view.localId !== '' ? { expect: view.localId } : {};
  return call('cert.show', { profile: view.id, revocation, ...expect });
}

export async function authoritiesReport({ trust }: Pick<ProfileView, 'trust'>): Promise<Reply<CertificateReport | null>> {
  if (trust.authorities.length === 0) return { ok: true, value: null };
  return call('cert.show', { data: trust.authorities.slice(0, MOST) });
}
