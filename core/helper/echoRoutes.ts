/** Who behind the gateway is asked for echoes, so that it is found out how large packets may be (core/dataplane/pathMtu.ts). */
import { parseAddress } from '../bytes/address.ts';
import type { EchoRoute } from '../dataplane/echoRound.ts';
import type { Configuration } from '../ike/sa/contract.ts';

/**
 * The office's name servers, each from our address of its family: known to be there, asked by us all day, and most answer. The gateway's own
 * address inside is not known. One that the SA may not reach is not asked: the outbound lane looks at the selectors.
 */
export function echoRoutes({ addresses, dns }: Pick<Configuration, 'addresses' | 'dns'>): readonly EchoRoute[] {
  const sources = addresses.map(({ address }) => parseAddress(address));
  return dns.flatMap((server) => {
    const target = parseAddress(server);
    const source = target && sources.find((own) => own?.length === target.length);
    return source === undefined || target === undefined ? [] : [{ source, target }];
  });
}
