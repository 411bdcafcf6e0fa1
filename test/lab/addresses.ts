/** The address plan of the lab. Documentation prefixes (RFC 5737, RFC 3849) outside, private ones (RFC 1918, RFC 4193) inside. */
export const addresses = {
  laptop: { v4: '192.168.77.2', v6: '2001:db8:77::2' },
  /** `lan` is the laptop's default gateway and its name server; `wan` is what the office sees behind NAT. */
  router: { lan4: '192.168.77.1', lan6: '2001:db8:77::1', wan4: '198.51.100.1', wan6: '2001:db8:100::1' },
  office: { wan4: '198.51.100.10', wan6: '2001:db8:100::10', lan4: '10.10.0.1', lan6: 'fd10:10::1' },
  intranet: { web4: '10.10.0.80', web6: 'fd10:10::80', dns4: '10.10.0.53', dns6: 'fd10:10::53' },
  networks: {
    laptop4: '192.168.77.0/24',
    laptop6: '2001:db8:77::/64',
    wan4: '198.51.100.0/24',
    wan6: '2001:db8:100::/64',
    office4: '10.10.0.0/24',
    office6: 'fd10:10::/64',
  },
  /** Virtual addresses of clients; the intranet sends them to the office. */
  pool: { v4: '10.10.99.0/24', v6: 'fd10:99::/64' },
  names: { gateway: 'vpn.office.test', intranet: 'intranet.office.test', domain: 'office.test' },
} as const;

/** Names of the network devices in each namespace. */
export const devices = {
  laptop: 'eth0',
  router: { lan: 'lan', wan: 'wan' },
  office: { wan: 'wan', lan: 'lan' },
  intranet: 'eth0',
} as const;
