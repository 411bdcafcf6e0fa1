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
  'output-failed': {
    what: 'What there was to print could not be written.',
    advice: 'Make room where the output goes; what was asked for may have happened: see `sallyport status` and `sallyport list`.',
    exitCode: 4,
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
    advice: 'Use the id that `sallyport list` shows; where others have it too, UID/ID or shared/ID.',
    exitCode: 23,
  },
  'profile-secret-missing': {
    what: 'The profile does not have what is asked for.',
    advice: 'Give it at the prompt, or with `--secret-file` or `--password-file`.',
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
  'import-password-needed': {
    what: 'The file is protected with a password.',
    advice: 'Give it at the prompt, or with `--password-file`.',
    exitCode: 120,
  },
  'import-password-wrong': {
    what: 'The password does not open the file.',
    advice: 'Try again; who made the file knows its password.',
    exitCode: 121,
  },
  'import-gateway-needed': {
    what: 'The file does not say where the gateway is.',
    advice: 'Give its host name or address with `--gateway`.',
    exitCode: 122,
  },
  'import-unsupported': {
    what: 'The file is of a kind that is not taken.',
    advice: 'Convert it as said, or ask the administrator for another one.',
    exitCode: 123,
  },
  // Certificates that are looked at.
  'certificate-unreadable': {
    what: 'There is no certificate that can be read.',
    advice: 'Check that it is a certificate in PEM or DER, or PKCS #12.',
    exitCode: 124,
  },
  'certificate-refused': {
    what: 'The certificate does not hold.',
    advice: 'What is wrong is said above; who issued it can make a new one.',
    exitCode: 125,
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
  'device-gone': {
    what: 'Another program removed the network device of the tunnel.',
    advice: 'Connect again; if it happens again, look for another program that manages the network of this computer.',
    exitCode: 36,
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
  'gateway-overloaded': {
    what: 'The gateway is under load, and wants more work of this computer than Sallyport does for anybody.',
    advice: 'Try again later. If it goes on, tell the administrator: the gateway may be under attack.',
    exitCode: 69,
  },
  'no-fragmentation': {
    what: 'The gateway does not take long messages in fragments, and this profile demands it.',
    advice: 'Ask the administrator to enable IKE fragmentation, or set "fragmentation" to "yes" in the profile.',
    exitCode: 68,
  },
  // Proving who is who.
  'authentication-failed': {
    what: 'The gateway refused your identity or your key.',
    advice: 'Check the identity and the pre-shared key with the administrator.',
    exitCode: 70,
  },
  'gateway-authentication-failed': {
    what: 'The gateway could not prove that it is the right one.',
    advice:
      'If the profile has a pre-shared key, it may differ. If it is right, or there is none, somebody may be pretending to be the gateway.',
    exitCode: 71,
  },
  'gateway-identity': {
    what: 'A gateway with another name answered.',
    advice: 'Check the identity of the gateway in the profile with the administrator.',
    exitCode: 72,
  },
  // Proving it by certificates.
  'gateway-no-certificate': {
    what: 'The gateway showed no certificate.',
    advice: 'Ask the administrator how the gateway proves who it is, and set "gatewayAuth" in the profile to that.',
    exitCode: 90,
  },
  'gateway-untrusted': {
    what: 'The certificate of the gateway comes from an authority that this profile does not trust.',
    advice:
      'If the administrator gave you an authority certificate, add it to the profile. Otherwise somebody may be pretending to be the gateway.',
    exitCode: 91,
  },
  'gateway-cert-expired': {
    what: 'The certificate of the gateway has expired.',
    advice: 'Check the date of this computer. If it is right, tell the administrator: only a new certificate helps.',
    exitCode: 92,
  },
  'gateway-cert-not-yet-valid': {
    what: 'The certificate of the gateway is not valid yet.',
    advice: 'Check the date of this computer. If it is right, tell the administrator.',
    exitCode: 93,
  },
  'gateway-cert-revoked': {
    what: 'The certificate of the gateway was revoked.',
    advice: 'Do not connect; tell the administrator.',
    exitCode: 94,
  },
  'gateway-revocation-unknown': {
    what: 'Nobody could say whether the certificate of the gateway is still good.',
    advice: 'This profile insists on knowing. Check that you are online and try again; see `sallyport log` for what was tried.',
    exitCode: 95,
  },
  'gateway-wrong-name': {
    what: 'The certificate of the gateway is for another name.',
    advice: 'Check the address and "remoteId" of the profile. If they are right, somebody may be pretending to be the gateway.',
    exitCode: 96,
  },
  'gateway-cert-invalid': {
    what: 'The certificate of the gateway is not acceptable.',
    advice: 'Send the evidence to the administrator; `sallyport cert fetch GATEWAY` shows it.',
    exitCode: 97,
  },
  'gateway-signature-refused': {
    what: 'The gateway signs in a way that is not safe to accept.',
    advice: 'Ask the administrator to let it sign with SHA-256 or better and a key that is long enough.',
    exitCode: 98,
  },
  'auth-method-mismatch': {
    what: 'The gateway proves who it is, or wants you to, in another way than this profile says.',
    advice: 'Ask the administrator which authentication both sides use, and change the profile.',
    exitCode: 99,
  },
  'eap-before-gateway': {
    what: 'The gateway asks who you are without having proven who it is.',
    advice: 'Nothing was told to it. Do not retry on a network you do not trust; send the evidence to the administrator.',
    exitCode: 100,
  },
  'own-key-failed': {
    what: 'Your own key could not be used.',
    advice: 'Import the certificate and its key again; see `sallyport log`.',
    exitCode: 101,
  },
  'own-cert-expired': {
    what: 'Your certificate has expired.',
    advice: 'Ask the administrator for a new one and import it.',
    exitCode: 102,
  },
  'own-cert-refused': {
    what: 'The gateway does not accept your certificate.',
    advice: 'Check with the administrator that it is the right one for "localId", and that it was not revoked.',
    exitCode: 103,
  },
  'ppk-refused': {
    what: 'The gateway does not use the post-quantum key that this profile demands.',
    advice: 'Ask the administrator whether the key and its name are still the same, or connect without insisting on it.',
    exitCode: 115,
  },
  // Proving who you are by EAP.
  'eap-refused': {
    what: 'The gateway refused your user name, password or code.',
    advice: 'Try again. If it is refused again, ask the administrator.',
    exitCode: 104,
  },
  'password-wrong': {
    what: 'The user name or the password is wrong.',
    advice: 'Enter it again; mind capital letters and the keyboard layout.',
    exitCode: 105,
  },
  'password-expired': {
    what: 'Your password has expired.',
    advice: 'Change it where your company wants it changed, then connect again.',
    exitCode: 106,
  },
  'account-disabled': {
    what: 'Your account is disabled.',
    advice: 'Ask the administrator.',
    exitCode: 107,
  },
  'account-restricted': {
    what: 'Your account may not connect now, or not from outside.',
    advice: 'Ask the administrator when and from where it may.',
    exitCode: 108,
  },
  'eap-no-common-method': {
    what: 'The gateway wants you to log in by a method that this profile does not have.',
    advice: 'Ask the administrator which EAP method to use, and change the profile.',
    exitCode: 109,
  },
  'eap-not-allowed': {
    what: 'The gateway offers only ways to log in that are not safe.',
    advice: 'Ask the administrator for a safer EAP method, or allow this one in the profile if you know the risk.',
    exitCode: 110,
  },
  'eap-server-unproven': {
    what: 'The login server could not prove that it knows your password.',
    advice: 'Somebody may be pretending to be the gateway. Do not retry on a network you do not trust; tell the administrator.',
    exitCode: 111,
  },
  'eap-server-certificate': {
    what: 'The certificate of the login server is not accepted.',
    advice:
      'Check the date of this computer, then "serverName" and the authorities for EAP in the profile with the administrator.',
    exitCode: 112,
  },
  'eap-tls-failed': {
    what: 'The secure connection to the login server failed.',
    advice: 'Try again; if it happens again, send the evidence to the administrator.',
    exitCode: 113,
  },
  'eap-protocol': {
    what: 'The login server answered in a way that is not safe to accept.',
    advice: 'Do not retry on a network you do not trust; send the evidence to the administrator.',
    exitCode: 114,
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
  redirected: {
    what: 'The gateway sends you to another one, and too often.',
    advice:
      'Try again later; if it happens again, tell the administrator. "redirect": false in the profile stays with the first.',
    exitCode: 83,
  },
  'authentication-expired': {
    what: 'The gateway lets nobody stay logged in for longer, and you were not logged in again in time.',
    advice: 'Connect again.',
    exitCode: 84,
  },
  'gateway-restarted': {
    what: 'The gateway restarted, and the connection ended.',
    advice: 'Connect again.',
    exitCode: 85,
  },
  'address-changed': {
    what: 'This computer is in another network now, and the gateway does not follow it there.',
    advice: 'Connect again. A gateway that does MOBIKE follows by itself: ask the administrator.',
    exitCode: 86,
  },
  'keys-expired': {
    what: 'The keys of the tunnel reached the end of their life, and the gateway did not agree to new ones.',
    advice:
      'Connect again. If it happens every time, compare the lifetimes, the proposals and perfect forward secrecy with the gateway.',
    exitCode: 87,
  },
  'engine-restarted': { what: 'The helper had to restart.', advice: 'Connect again.', exitCode: 82 },
  cancelled: { what: 'Cancelled.', advice: 'Nothing was left behind.', exitCode: 130 },
  'not-waited-for': {
    what: 'You wait no longer, and the tunnel is still being brought back.',
    advice: 'Run `sallyport status` to see how far it is, or `sallyport down` to end it.',
    exitCode: 46,
  },
} as const satisfies Record<string, Reason>;

export type ReasonCode = keyof typeof reasons;
