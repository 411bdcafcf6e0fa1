/** Virtual addresses of one family. Whoever comes back gets the same address while nobody else took it. */
import { addressOctets } from './addresses.ts';

export interface AddressPool {
  readonly prefix: number;
  /** 4 or 16 octets, or undefined when all are taken. */
  take(owner: string): Uint8Array | undefined;
  release(address: Uint8Array): void;
}

/** `cidr` is the test's own text, `10.10.8.0/24`. The first and the last address of the network are never given. */
export function createAddressPool(cidr: string): AddressPool {
  const [text = '', bits = ''] = cidr.split('/');
  const base = addressOctets(text);
  const prefix = Number(bits);
  const hostBits = base.length * 8 - prefix;
  // 2^16 clients are more than any test has; the bound keeps the arithmetic in one number.
  const last = 2 ** Math.min(hostBits, 16) - 1;
  const taken = new Map<number, string>();
  const remembered = new Map<string, number>();

  const numberOf = (address: Uint8Array): number =>
    ((address[address.length - 2] as number) << 8) | (address[address.length - 1] as number);
  const low = numberOf(base);
  const addressOf = (index: number): Uint8Array => {
    const address = base.slice();
    address[address.length - 2] = (low + index) >>> 8;
    address[address.length - 1] = low + index;
    return address;
  };

  const take = (owner: string): Uint8Array | undefined => {
    const before = remembered.get(owner);
    if (before !== undefined && !taken.has(before)) {
      taken.set(before, owner);
      return addressOf(before);
    }
    for (let index = 1; index < last; index++) {
      if (taken.has(index)) continue;
      taken.set(index, owner);
      remembered.set(owner, index);
      return addressOf(index);
    }
    return undefined;
  };

  return { prefix, take, release: (address) => void taken.delete(numberOf(address) - low) };
}
