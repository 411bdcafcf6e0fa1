/** Methods of EAP by the names administrators know. */
import type { EapMethod } from './form.ts';

export const METHOD_NAMES: Readonly<Record<EapMethod, string>> = {
  mschapv2: 'MSCHAPv2',
  tls: 'TLS',
  ttls: 'TTLS',
  peap: 'PEAP',
  gtc: 'GTC',
  otp: 'OTP',
  md5: 'MD5',
};

export const METHODS = Object.keys(METHOD_NAMES) as readonly EapMethod[];
