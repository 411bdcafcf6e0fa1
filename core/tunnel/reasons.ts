/**
 * The one list of reasons why something did not work, as the user meets them: what happened, what to do, and the CLI's
 * exit code. Every code that crosses the RPC is one of these.
 */
export interface Reason {
  readonly what: string;
  readonly advice: string;
  readonly exitCode: number;
}

export const reasons = {
  // The command line itself.
  usage: { what: 'The command was not understood.', advice: 'Run `sallyport --help`.', exitCode: 2 },
  internal: {
    what: 'Sallyport met a fault of its own.',
    advice: 'Run `sallyport log` and send the last lines to the makers.',
    exitCode: 3,
  },
  // The helper.
  'helper-not-running': {
    what: 'The Sallyport helper is not running.',
    advice: 'Start it: `sudo systemctl start sallyport`, or from a checkout `sudo npm start`.',
    exitCode: 10,
  },
  'helper-refused': {
    what: 'You may not talk to the Sallyport helper.',
    advice: 'Ask the administrator of this computer.',
    exitCode: 11,
  },
  'helper-untrusted': {
    what: 'The socket does not belong to the Sallyport helper.',
    advice: 'Check who owns the socket and its folder; only root may be able to write there.',
    exitCode: 12,
  },
  'helper-version': {
    what: 'The helper and this program are of different versions.',
    advice: 'Restart the helper: `sudo systemctl restart sallyport`.',
    exitCode: 13,
  },
  'helper-gone': {
    what: 'The helper stopped while we waited for it.',
    advice: 'It restarts by itself; try again, and see `sallyport log`.',
    exitCode: 14,
  },
  'not-permitted': {
    what: 'Only the administrator or the owner may do this.',
    advice: 'Run it with sudo, or as the user whose profile it is.',
    exitCode: 15,
  },
  'bad-request': {
    what: 'The helper did not accept the request.',
    advice: 'The helper and this program may be of different versions: `sudo systemctl restart sallyport`.',
    exitCode: 16,
  },
  'helper-busy': {
    what: 'Too many programs talk to the helper already.',
    advice: 'Close other windows and `sallyport` commands of yours, then try again.',
    exitCode: 17,
  },
  'helper-silent': {
    what: 'The helper does not answer.',
    advice: 'Restart it: `sudo systemctl restart sallyport`.',
    exitCode: 18,
  },
  // Profiles.
  'profile-unreadable': { what: 'The profile file cannot be read.', advice: 'Check the path and its permissions.', exitCode: 20 },
  'profile-malformed': {
    what: 'The profile file is not valid.',
    advice: 'Mend the named field, or ask the administrator for a new file.',
    exitCode: 21,
  },
  'profile-unknown': {
    what: 'There is no such profile.',
    advice: 'Run `sallyport list` to see the profiles you have.',
    exitCode: 22,
  },
  'profile-ambiguous': {
    what: 'More than one profile has that name.',
    advice: 'Use the id that `sallyport list` shows.',
    exitCode: 23,
  },
  'profile-secret-missing': {
    what: 'The profile has no pre-shared key.',
    advice: 'Give it at the prompt, or with `--secret-file`.',
    exitCode: 24,
  },
  'profile-in-use': {
    what: 'The profile is connected now.',
    advice: 'Run `sallyport down` first.',
    exitCode: 25,
  },
  'profile-store': {
    what: 'The profile could not be kept.',
    advice: 'Check that the disk of this computer is not full, and see `sallyport log`.',
    exitCode: 26,
  },
  'profile-invalid': {
    what: 'The profile would not be valid.',
    advice: 'Mend the named fields.',
    exitCode: 27,
  },
  'undo-unknown': {
    what: 'This removal can no longer be taken back.',
    advice: 'Import or create the profile again.',
    exitCode: 28,
  },
  // This computer.
  'no-tun-device': {
    what: 'This computer has no /dev/net/tun.',
    advice: 'Load the kernel module: `sudo modprobe tun`; in a container, pass the device in.',
    exitCode: 30,
  },
  'helper-lacks-permission': {
    what: 'The helper may not change the network.',
    advice: 'It must be started as root with CAP_NET_ADMIN.',
    exitCode: 31,
  },
  'port-in-use': {
    what: 'The UDP ports 500 and 4500 are used by another program.',
    advice: 'Stop the other VPN program, or set "localPort": "any" in the profile.',
    exitCode: 32,
  },
  'no-route': { what: 'This computer has no network path to the gateway.', advice: 'Check that you are online.', exitCode: 33 },
  'host-failed': {
    what: 'The network of this computer could not be set up.',
    advice: 'Run `sudo sallyport repair` and try again; see `sallyport log`.',
    exitCode: 34,
  },
  'dataplane-failed': {
    what: 'The part of the helper that carries the data stopped.',
    advice: 'Connect again; if it happens again, send the last lines of `sallyport log` to the makers.',
    exitCode: 35,
  },
  // The tunnel.
  'already-up': { what: 'A tunnel is already up or coming up.', advice: 'Run `sallyport down` first.', exitCode: 40 },
  'used-by-another': {
    what: 'Another user of this computer has a tunnel up.',
    advice: 'It must end before yours can start.',
    exitCode: 41,
  },
  'not-up': { what: 'There is no tunnel.', advice: 'Run `sallyport up PROFILE` to start one.', exitCode: 42 },
  'timed-out': {
    what: 'The connection did not come up in the time you gave.',
    advice: 'Try again with a longer --timeout; `sallyport log` tells how far it came.',
    exitCode: 43,
  },
  'prompt-unknown': {
    what: 'Nobody asks this any more.',
    advice: 'Connect again.',
    exitCode: 44,
  },
  'prompt-expired': {
    what: 'The question was not answered in time.',
    advice: 'Connect again and answer within five minutes.',
    exitCode: 45,
  },
  // Reaching the gateway.
  'name-not-resolved': {
    what: 'The name of the gateway was not found.',
    advice: 'Check that you are online and that the name is right.',
    exitCode: 50,
  },
  'no-answer': {
    what: 'The gateway did not answer.',
    advice: 'It may be down, or this network blocks UDP port 500. Try another network.',
    exitCode: 51,
  },
  'no-answer-auth': {
    what: 'The gateway answered at first, then went silent.',
    advice: 'This network may block UDP port 4500 or drop large messages. Try another network.',
    exitCode: 52,
  },
  // Agreeing with the gateway.
  'no-proposal-chosen': {
    what: 'The gateway accepts none of the encryption settings of this profile.',
    advice: 'Ask the administrator which IKE proposals the gateway takes.',
    exitCode: 60,
  },
  'child-no-proposal-chosen': {
    what: 'The gateway accepts none of the data encryption settings of this profile.',
    advice: 'Ask the administrator which ESP proposals the gateway takes.',
    exitCode: 61,
  },
  'ke-refused': {
    what: 'The gateway wants a key exchange this profile does not offer.',
    advice: 'Ask the administrator which groups the gateway takes.',
    exitCode: 62,
  },
  'ts-unacceptable': {
    what: 'The gateway will not carry the networks this profile asks for.',
    advice: 'Ask the administrator which networks are yours to reach.',
    exitCode: 63,
  },
  'no-address': {
    what: 'The gateway gave no usable address.',
    advice: 'Its address pool may be full; try later or tell the administrator.',
    exitCode: 64,
  },
  'gateway-refused': {
    what: 'The gateway refused the connection.',
    advice: 'Send the evidence to the administrator.',
    exitCode: 65,
  },
  'gateway-misbehaved': {
    what: 'The gateway answered in a way that is not safe to accept.',
    advice: 'Do not retry on a network you do not trust; send the evidence to the administrator.',
    exitCode: 66,
  },
  'gateway-version': {
    what: 'The gateway does not speak IKEv2.',
    advice: 'Ask the administrator to enable IKEv2.',
    exitCode: 67,
  },
  // Proving who is who.
  'authentication-failed': {
    what: 'The gateway refused your identity or your key.',
    advice: 'Check the identity and the pre-shared key with the administrator.',
    exitCode: 70,
  },
  'gateway-authentication-failed': {
    what: 'The gateway could not prove that it is the right one.',
    advice: 'The pre-shared key may differ; if it is right, somebody may be pretending to be the gateway.',
    exitCode: 71,
  },
  'gateway-identity': {
    what: 'A gateway with another name answered.',
    advice: 'Check the identity of the gateway in the profile with the administrator.',
    exitCode: 72,
  },
  // The end of a connection.
  'closed-by-gateway': {
    what: 'The gateway ended the connection.',
    advice: 'Connect again; if it happens again, ask the administrator.',
    exitCode: 80,
  },
  'gateway-lost': {
    what: 'The gateway no longer answers.',
    advice: 'Check that you are online, then connect again.',
    exitCode: 81,
  },
  'engine-restarted': { what: 'The helper had to restart.', advice: 'Connect again.', exitCode: 82 },
  cancelled: { what: 'Cancelled.', advice: 'Nothing was left behind.', exitCode: 130 },
} as const satisfies Record<string, Reason>;

export type ReasonCode = keyof typeof reasons;
