/** A private key in the memory of this process. */
import { err, ok, type Result } from '../bytes/result.ts';
import { signingKey } from '../crypto/node/sign.ts';
import { signerOf } from '../pki/privateKey.ts';
import type { OpenKey } from './attempts.ts';

export async function openLocalKey(pkcs8: Uint8Array): Promise<Result<OpenKey, string>> {
  const key = signingKey(pkcs8);
  if (!key) return err('the private key cannot be read');
  const info = signerOf(key);
  if (!info.ok) return err(info.error.evidence);
  return ok({
    info: info.value,
    sign: async (algorithm, octets) => {
      const signature = key.sign(algorithm, octets);
      return signature ? ok(signature) : err(`the key does not sign by ${algorithm.kind}`);
    },
    close: () => {},
  });
}
