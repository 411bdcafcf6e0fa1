/** A profile with what a test says of it, and nothing it would have to care for. */
import { DEFAULTS, defaultTrust, type Profile } from '../../../core/profile/model.ts';

export function sampleProfile(changes: Partial<Profile> = {}): Profile {
  const auth = changes.auth ?? 'psk';
  return {
    id: '2d2e7f70-5b0a-4a55-9d7e-3f1c5f0a8b11',
    name: 'Office',
    gateway: 'vpn.office.test',
    gatewayPorts: { ike: 500, natt: 4500 },
    localId: 'alice@office.test',
    remoteId: 'vpn.office.test',
    auth,
    certificates: [],
    signatures: [],
    eap: undefined,
    trust: defaultTrust(auth),
    ikeProposals: DEFAULTS.proposals,
    espProposals: DEFAULTS.proposals,
    remoteNetworks: DEFAULTS.remoteNetworks,
    ipv4: true,
    ipv6: false,
    dns: true,
    mtu: DEFAULTS.mtu,
    natKeepalive: DEFAULTS.natKeepalive,
    liveness: DEFAULTS.liveness,
    gateways: [],
    replayWindow: DEFAULTS.replayWindow,
    whenLost: DEFAULTS.whenLost,
    fragmentation: DEFAULTS.fragmentation,
    tcp: DEFAULTS.tcp,
    tcpPorts: DEFAULTS.tcpPorts,
    redirect: DEFAULTS.redirect,
    resumption: DEFAULTS.resumption,
    childless: DEFAULTS.childless,
    initialContact: false,
    reauthenticateEvery: DEFAULTS.reauthenticateEvery,
    localPort: 'standard',
    folder: '',
    locked: [],
    ...changes,
  };
}
