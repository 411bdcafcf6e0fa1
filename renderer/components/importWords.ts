/** Which of the window's words say what an import did with a field: by the code of the note, whatever the helper's English says. */
import type { ImportNote } from '../../core/rpc/contract.ts';

/** What the sentence quotes; `count` chooses the plural form. */
export function noteValues({ values = {} }: Pick<ImportNote, 'values'>): Readonly<Record<string, string | number>> {
  return { ...values, count: Number(values.count ?? values.days ?? 0) };
}

/** Fields as our own files spell them, and as strongSwan's do. */
const fieldKeys = {
  name: 'importField.name',
  gateway: 'importField.gateway',
  localId: 'importField.localId',
  remoteId: 'importField.remoteId',
  remoteNetworks: 'importField.remoteNetworks',
  ikeProposals: 'importField.ikeProposals',
  espProposals: 'importField.espProposals',
  uuid: 'importField.uuid',
  auth: 'importField.auth',
  'auth.secret': 'importField.secret',
  'auth.identity': 'importField.user',
  'auth.password': 'importField.password',
  'auth.certificate': 'importField.certificate',
  'auth.key': 'importField.key',
  'auth.methods': 'importField.methods',
  'auth.authorities': 'importField.authorities',
  gatewayAuth: 'importField.trust',
  'gatewayAuth.secret': 'importField.secret',
  'gatewayAuth.authorities': 'importField.authorities',
  'gatewayAuth.revocation': 'importField.revocation',
  'remote.addr': 'importField.gateway',
  'remote.port': 'importField.ports',
  'remote.id': 'importField.remoteId',
  'remote.cert': 'importField.authorities',
  'remote.revocation': 'importField.revocation',
  'local.id': 'importField.localId',
  'local.p12': 'importField.certificate',
  'local.eap_id': 'importField.user',
  'local.shared_secret': 'importField.password',
  type: 'importField.auth',
  'ike-proposal': 'importField.ikeProposals',
  'esp-proposal': 'importField.espProposals',
  'split-tunneling': 'importField.remoteNetworks',
  'split-tunneling.subnets': 'importField.remoteNetworks',
  'split-tunneling.excluded': 'importField.remoteNetworks',
  'dns-servers': 'importField.dns',
  apps: 'importField.apps',
  'excluded-apps': 'importField.apps',
} as const;

const known: ReadonlyMap<string, (typeof fieldKeys)[keyof typeof fieldKeys]> = new Map(Object.entries(fieldKeys));

/** The key of a field's name in words; undefined shows the field as the file spells it. */
export function fieldKey(field: string): (typeof fieldKeys)[keyof typeof fieldKeys] | undefined {
  return known.get(field);
}
