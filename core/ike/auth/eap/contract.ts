/**
 * EAP as the peer (RFC 3748): sans-IO, one request in, one response out. `handle` is given EAP requests, `answer` what an ask
 * brought; `poll` gives what comes next. TLS runs elsewhere, behind the ask `tls`.
 */

export type EapMethodName = 'mschapv2' | 'tls' | 'gtc' | 'otp' | 'md5' | 'ttls' | 'peap';

/**
 * `mschapv2`, `gtc` and `md5` are EAP inside the tunnel. The other two are for TTLS servers without inner EAP; they count only in the first place,
 * because in TTLS the client chooses: MS-CHAPv2 in attributes, and PAP, which hands the password to the server.
 */
export type EapInnerName = 'mschapv2' | 'gtc' | 'md5' | 'mschapv2-attributes' | 'pap';

export interface EapConfig {
  /** What may be used, the preferred first; anything else is answered with a NAK. `md5` is here only where the user allowed it. */
  readonly methods: readonly EapMethodName[];
  /** Sent in EAP-Identity. Undefined: asked for. */
  readonly identity: string | undefined;
  /** The gateway proves itself by EAP alone (RFC 5998): methods that do not prove the server and make no key are refused. */
  readonly mutualOnly: boolean;
  /** What may be used inside TTLS and PEAP, the preferred first. */
  readonly inner: readonly EapInnerName[];
}

export interface EapPeer {
  /** An EAP packet as it was in the EAP payload; any octets. */
  handle(packet: Uint8Array): void;
  answer(answer: EapAskAnswer): void;
  poll(): EapOutput | undefined;
}

export type EapOutput =
  | { readonly kind: 'send'; readonly packet: Uint8Array }
  | { readonly kind: 'ask'; readonly ask: EapAsk }
  /** EAP-Success, and a method had finished. `msk` is absent for methods that make no key (RFC 7296 §2.16). */
  | { readonly kind: 'success'; readonly msk: Uint8Array | undefined; readonly mutual: boolean; readonly method: EapMethodName }
  | { readonly kind: 'failed'; readonly failure: EapFailure }
  | { readonly kind: 'log'; readonly level: 'debug' | 'info' | 'warn'; readonly text: string };

export interface EapFailure {
  readonly code: EapFailureCode;
  /** One printable line; never what was typed. */
  readonly evidence: string;
}

export type EapFailureCode =
  | 'eap-refused' // EAP-Failure: the user name, the password or the code is wrong, or the account may not
  | 'password-wrong' // MSCHAPv2 E=691
  | 'password-expired' // E=648
  | 'account-disabled' // E=647
  | 'account-restricted' // E=646 hours, E=649 no dial-in
  | 'eap-no-common-method'
  | 'eap-not-allowed' // only methods that the profile does not allow, such as MD5
  | 'eap-server-unproven' // MSCHAPv2 without or with a wrong S=; a TLS server that is not the expected one
  | 'eap-server-certificate' // the TLS server's certificate is not accepted
  | 'eap-tls-failed' // the handshake failed: alert, version
  | 'eap-protocol' // EAP-Success before a method finished, wrong lengths, wrong order, too many rounds
  | 'credential-cancelled'
  | 'credential-expired'; // nobody answered in time

/** Only ever emitted once the gateway is verified, except for EAP-only. */
export type EapAsk =
  | {
      readonly kind: 'credential';
      readonly want: 'identity' | 'password' | 'code' | 'pin';
      /** The gateway's own words, one printable line of at most 256 characters, or ''. */
      readonly text: string;
      /** For whom: the EAP identity, '' when that is what is asked for. */
      readonly identity: string;
      /** From 1; more: the one before was refused and the method lets us try again. */
      readonly attempt: number;
    }
  /**
   * Octets of TLS from the server (empty at first, a whole flight then), and what to write into the tunnel. The first ask of a method opens a
   * client; `purpose` says which keys are exported when the handshake is done.
   */
  | {
      readonly kind: 'tls';
      readonly method: 'tls' | 'ttls' | 'peap';
      readonly open: boolean;
      readonly received: Uint8Array;
      readonly write: Uint8Array;
    };

export type EapAskAnswer =
  /** Owned by the receiver and wiped by it. */
  | { readonly kind: 'credential'; readonly value: Uint8Array }
  | { readonly kind: 'credential-missing'; readonly why: 'cancelled' | 'expired' }
  | {
      readonly kind: 'tls';
      readonly state: 'handshake' | 'open' | 'closed' | 'failed';
      /** Octets of TLS for the server. */
      readonly send: Uint8Array;
      /** Decrypted octets from inside the tunnel. */
      readonly plain: Uint8Array;
      /** These three come with the first answer that says `open`. */
      readonly version?: 'TLSv1.2' | 'TLSv1.3';
      /** 128 octets: MSK and EMSK by the method's rule for the version (RFC 5216 §2.3, RFC 9190 §2.3, RFC 5281 §8, RFC 9427). */
      readonly keyMaterial?: Uint8Array;
      /** TTLS: the implicit challenge, 17 octets (RFC 5281 §11.1). */
      readonly challenge?: Uint8Array;
      readonly failure?: EapFailure;
    };
