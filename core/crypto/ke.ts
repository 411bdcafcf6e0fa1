import type { Agreement } from './agreement.ts';
import { ecpAgreements } from './noble/ecp.ts';
import { xdhAgreements } from './noble/xdh.ts';
import { mlkemEncapsulations } from './node/mlkem.ts';
import { modpAgreements } from './node/modp.ts';
import type { AnsweredKeyExchange, KeTransform, KeyExchange, KeyExchangeFault, Random } from './types.ts';

/**
 * A responder's part: its public value and the shared secret, or why the initiator's value is refused. A KEM is answered by an encapsulation
 * and everything else by an exchange of our own, so whoever answers calls this and need not know which it is.
 */
export function answerKeyExchange(
  transform: KeTransform,
  peer: Uint8Array,
  random: Random,
): AnsweredKeyExchange | KeyExchangeFault {
  const kem = mlkemEncapsulations.get(transform.id);
  if (kem !== undefined) return kem.encapsulate(peer);
  const own = startKeyExchange(transform, random);
  const shared = own.derive(peer);
  return shared instanceof Uint8Array ? { publicValue: own.publicValue, shared } : shared;
}

/**
 * A fresh ephemeral key exchange of the group. All private values come from `random`, none is ever used for two exchanges
 * (RFC 6989 §2.2). The private octets are overwritten when `derive` succeeds; big integers and OpenSSL's copies are only let go.
 */
export function startKeyExchange(transform: KeTransform, random: Random): KeyExchange {
  const exactly: Random = (length) => {
    const octets = random(length);
    if (octets.length !== length) throw new RangeError(`random gave ${octets.length} octets instead of ${length}`);
    // A copy, because the private value is overwritten after use and the array may be the caller's.
    return new Uint8Array(octets);
  };
  const bytesGroup = ecpAgreements.get(transform.id) ?? xdhAgreements.get(transform.id);
  if (bytesGroup !== undefined) return makeExchange(transform, bytesGroup, exactly, (secret) => secret.fill(0));
  const opaque = modpAgreements.get(transform.id) ?? mlkemEncapsulations.get(transform.id);
  if (opaque !== undefined) return makeExchange(transform, opaque, exactly, () => {});
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
