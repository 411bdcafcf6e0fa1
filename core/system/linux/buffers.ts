import { addressOf } from '../ffi/memory.ts';

const addresses = new WeakMap<ArrayBufferLike, number>();

/** Address of a packet buffer, taken once per buffer. The caller holds the buffer while it uses the address. */
export function addressOfBuffer(bytes: Uint8Array): number {
  const known = addresses.get(bytes.buffer);
  if (known !== undefined) return known + bytes.byteOffset;
  const address = addressOf(bytes);
  addresses.set(bytes.buffer, address - bytes.byteOffset);
  return address;
}
