/** The names under which page and main process talk; nothing else is listened to. */
export const REQUEST = 'sallyport:request';
export const LISTEN = 'sallyport:listen';
export const EVENT = 'sallyport:event';

/** Where the page lives. */
export const SCHEME = 'app';
export const HOST = 'sallyport';

export function isOwnAddress(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, host } = new URL(address);
  return protocol === `${SCHEME}:` && host === HOST;
}
