/** What our `status` and the gateway's `swanctl --list-sas --raw` say of the same connection must be the same. */
import type { Status } from '../../core/rpc/contract.ts';
import type { IkeSaFromGateway } from '../lab/vici.ts';

/** Every difference as `field: ours … gateway …`; empty when they agree. */
export function agree(status: Status, sa: IkeSaFromGateway): string[] {
  const found: string[] = [];
  const same = (field: string, ours: unknown, theirs: unknown): void => {
    const [left, right] = [JSON.stringify(ours) ?? 'nothing', JSON.stringify(theirs) ?? 'nothing'];
    if (left !== right) found.push(`${field}: ours ${left}, gateway's ${right}`);
  };
  same('state', status.state, 'connected');
  const { ike } = status;
  same('ike.spiI', ike?.spiI, sa.spiI);
  same('ike.spiR', ike?.spiR, sa.spiR);
  same('ike.encr', ike?.encr, sa.encr);
  same('ike.keyLength', ike?.keyLength, sa.keyLength);
  same('ike.integ', ike?.integ, sa.integ);
  same('ike.prf', ike?.prf, sa.prf);
  same('ike.ke', ike?.ke, sa.ke);
  same('ike.localIdentity', ike?.localIdentity, sa.remoteId);
  same('ike.remoteIdentity', ike?.remoteIdentity, sa.localId);
  // The gateway lists no prefix lengths.
  same('virtualIps', status.virtualIps.map(address).sort(), [...sa.virtualIps].sort());
  // What a DELETE has ended it keeps for a second, and for ever where the IKE SA is rekeyed in that second.
  const living = sa.children.filter(({ state }) => state !== 'DELETED');
  same('children', status.children.length, living.length);
  status.children.forEach((child) => {
    const theirs = living.find((other) => `0x${other.spiOut}` === child.spiIn);
    if (theirs === undefined) {
      found.push(
        `child ${child.spiIn}: the gateway has ${living.map((other) => `${other.spiOut} ${other.state}`).join(' ') || 'none'}`,
      );
      return;
    }
    same('child.state', 'INSTALLED', theirs.state);
    same('child.spiOut', child.spiOut, `0x${theirs.spiIn}`);
    same('child.encr', child.encr, theirs.encr);
    same('child.keyLength', child.keyLength, theirs.keyLength);
    same('child.integ', child.integ, theirs.integ);
    same('child.esn', child.esn, theirs.esn);
    same('child.localSelectors', child.localSelectors.map(bare).sort(), [...theirs.remoteTs].map(bare).sort());
    same('child.remoteSelectors', child.remoteSelectors.map(bare).sort(), [...theirs.localTs].map(bare).sort());
  });
  return found;
}

function address(withPrefix: string): string {
  return withPrefix.replace(/\/\d+$/, '');
}

/** An address with or without the prefix of a single one. */
function bare(network: string): string {
  return network.replace(network.includes(':') ? /\/128$/ : /\/32$/, '');
}
