/**
 * Cheaper cryptography for millions of handshakes, in place of core/crypto/noble and of ML-KEM: ciphers, HMAC and key exchanges of the right lengths that
 * agree, tell other keys and other octets, and are no secret to anybody. Chosen by `node --import ./test/sim/cheap.ts`; without it all is as
 * in the product. The protocol above is the same in both cases, and the same seeds lead to the same ends.
 */
import { registerHooks } from 'node:module';

const replaced: Readonly<Record<string, string>> = {
  '/core/crypto/noble/aead.ts': new URL('./cheapAead.ts', import.meta.url).href,
  '/core/crypto/noble/hmac.ts': new URL('./cheapHmac.ts', import.meta.url).href,
  '/core/crypto/noble/xdh.ts': new URL('./cheapAgreements.ts', import.meta.url).href,
  '/core/crypto/noble/ecp.ts': new URL('./cheapAgreements.ts', import.meta.url).href,
  '/core/crypto/node/mlkem.ts': new URL('./cheapAgreements.ts', import.meta.url).href,
};

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    const found = Object.entries(replaced).find(([path]) => resolved.url.endsWith(path));
    return found ? { ...resolved, url: found[1] } : resolved;
  },
});
