/** What IKE_SA_INIT agreed, as the rest of an initiator needs it: which way all goes from then on, what IKE_AUTH is made of, what is told. */
import { toHex } from '../../bytes/bytes.ts';
import type { Random } from '../../crypto/types.ts';
import type { AuthSteps } from '../exchanges/authSteps.ts';
import { IkeAuthExchange, type IkeAuthSetup } from '../exchanges/ikeAuth.ts';
import type { IkeAuthVerdict } from '../exchanges/ikeAuthErrors.ts';
import { intermediateExchanges } from '../exchanges/intermediate.ts';
import type { IkeKeys } from '../keys/ikeKeys.ts';
import type { Channel, Identity, IkeConfig, IkeSaFacts } from './contract.ts';
import type { IkeSa } from './ikeSa.ts';
import type { Way } from './mobike.ts';
import type { Agreed } from './saInitPhase.ts';

interface WayOn extends Way {
  readonly channel: Channel;
}

export function wayOn(config: IkeConfig, { result: { nat } }: Agreed): WayOn {
  // RFC 7296 §2.23: with a NAT between, and so always when one is pretended, all goes to port 4500 from IKE_AUTH on.
  const { transport } = config;
  const tcp = transport && { transport };
  // RFC 4555 §3.3: with MOBIKE too, so that no port changes when a NAT comes later.
  const needed = tcp || config.forceEncapsulation || nat.local || nat.remote || (config.mobike && nat.supported);
  const channel: Channel = needed ? 'natt' : 'ike';
  const local = { address: config.local.address, port: config.local.ports[channel], ...tcp };
  const remote = { address: config.remote.address, port: config.remote.ports[channel], ...tcp };
  return { channel, local, remote, natLocal: nat.local };
}

export function factsOf(config: IkeConfig, agreed: Agreed, { local, remote, natLocal }: Way, identity: Identity): IkeSaFacts {
  const { spiR, suite, nat, vendorIds } = agreed.result;
  return {
    role: 'initiator',
    spiI: toHex(agreed.spiI),
    spiR: toHex(spiR),
    ...suite,
    local,
    remote,
    localIdentity: config.localIdentity.text,
    remoteIdentity: identity.text,
    natLocal,
    natRemote: nat.remote,
    peerVendorIds: vendorIds,
    ...(agreed.ticket && { resumed: true }),
  };
}

/** What comes between IKE_SA_INIT and an IKE SA that stands: IKE_INTERMEDIATE, if there is a reason for any, and IKE_AUTH. */
export function* prove(
  config: IkeConfig,
  agreed: Agreed,
  { local, remote, natLocal }: Way,
  sa: IkeSa,
  random: Random,
): AuthSteps<IkeAuthVerdict> {
  const { spiI, ticket, result } = agreed;
  const { spiR, suite, hashes, multipleAuth, usePpk, authorities, takenLater = false } = result;
  const nonces = { ni: agreed.ni, nr: result.nr };
  const setup: Omit<IkeAuthSetup, 'keys' | 'intAuth'> = {
    ...{ config, suite, nonces, hashes, multipleAuth, usePpk, authorities, ticket },
    ...{ local, remote, natLocal },
    saInitRequest: agreed.request,
    saInitResponse: agreed.response,
    taken: result.taken,
    // RFC 6023 §3: only where the gateway said that it takes it.
    childless: config.childless === true && result.childless,
    mayIntermediate: result.mayIntermediate === true,
    log: (level, text) => sa.narrator.log(level, text),
  };
  // RFC 9242 §4: by a ticket they could be done again, were it negotiated; but its SK_d comes of those that were done.
  if (ticket) return yield* new IkeAuthExchange({ ...setup, keys: sa.keys, intAuth: undefined }, random).run();
  const adopt = (keys: IkeKeys) => sa.replaceKeys(keys);
  const done = yield* intermediateExchanges({ suite, nonces, spiI, spiR, keys: sa.keys, random, adopt, takenLater });
  if (!done.ok) return done.error;
  const { keys, taken = result.taken } = done.value;
  return yield* new IkeAuthExchange({ ...setup, keys, taken, intAuth: sa.intAuth }, random).run();
}
