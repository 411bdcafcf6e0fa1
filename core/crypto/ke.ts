import type { Agreement } from './agreement.ts';
import { ecpAgreements } from './noble/ecp.ts';
import { xdhAgreements } from './noble/xdh.ts';
import { modpAgreements } from './node/modp.ts';
import type { KeTransform, KeyExchange, Random } from './types.ts';

/**
 * A fresh ephemeral key exchange of the group. All private values come from `random`, none is ever used for two exchanges
 * (RFC 6989 §2.2). The private octets are overwritten when `derive` succeeds; big integers and OpenSSL's copy are only let go.
 */
export function startKeyExchange(transform: KeTransform, random: Random): KeyExchange {
  const exactly: Random = (length) => {
    const octets = random(length);
    if (octets.length !== length) throw new RangeError(`random gave ${octets.length} octets instead of ${length}`);
    // A copy, because the private value is overwritten after use and the array may be the caller's.
    return Uint8Array.from(octets);
  };
  const bytesGroup = ecpAgreements.get(transform.id) ?? xdhAgreements.get(transform.id);
  if (bytesGroup !== undefined) return makeExchange(transform, bytesGroup, exactly, (secret) => secret.fill(0));
  const modpGroup = modpAgreements.get(transform.id);
  if (modpGroup !== undefined) return makeExchange(transform, modpGroup, exactly, () => {});
  throw new RangeError(`no implementation of key exchange method ${transform.id}`);
}

function makeExchange<Secret>(
  method: KeTransform,
  agreement: Agreement<Secret>,
  random: Random,
  wipe: (secret: Secret) => void,
): KeyExchange {
  const started = agreement.start(random);
  let secret: Secret | undefined = started.secret;
  return {
    method,
    publicValue: started.publicValue,
    derive(peer) {
      if (secret === undefined) throw new Error('a key exchange was used twice');
      const shared = agreement.derive(secret, peer);
      if (shared instanceof Uint8Array) {
        wipe(secret);
        secret = undefined;
      }
      return shared;
    },
  };
}
