import koffi from 'koffi';

/**
 * Octets whose address the kernel is given. V8 keeps the backing store of an array buffer where it is; the address is valid for as
 * long as this object (or `bytes`) is referenced, so the caller of a system call must hold on to it.
 */
export class Pinned {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly address: number;

  constructor(sizeOrBytes: number | Uint8Array) {
    this.bytes = typeof sizeOrBytes === 'number' ? new Uint8Array(new ArrayBuffer(sizeOrBytes)) : sizeOrBytes;
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    this.address = addressOf(this.bytes);
  }

  /** Writes a 64-bit pointer at `offset`. */
  setPointer(offset: number, address: number): void {
    this.view.setUint32(offset, address >>> 0, true);
    this.view.setUint32(offset + 4, Math.floor(address / 0x1_0000_0000), true);
  }

  /** Writes a `size_t`. */
  setSize(offset: number, size: number): void {
    this.setPointer(offset, size);
  }
}

/** Where the first octet is. Taking it moves a small typed array out of the moving heap for good. */
export function addressOf(bytes: Uint8Array): number {
  if (bytes.byteLength === 0) throw new RangeError('an empty array has no address');
  // The address of the whole buffer: koffi's answer for a view that starts inside it must not matter.
  const whole = koffi.address(new Uint8Array(bytes.buffer));
  const address = Number(whole) + bytes.byteOffset;
  if (!Number.isSafeInteger(address) || address <= 0) throw new RangeError('not an address');
  return address;
}
