/**
 * Octets that count how often a view of them is taken, the unit of the parser's work and memory: every structure it reads is a
 * view. Time would depend on the machine; this does not.
 */
let views = 0;

class CountingBytes extends Uint8Array {
  override subarray(begin?: number, end?: number): Uint8Array<ArrayBuffer> {
    views++;
    return super.subarray(begin, end) as Uint8Array<ArrayBuffer>;
  }
}

/** Runs `parse` on a counting copy of `bytes`. The views it hands out count as well. */
export function countViews<T>(bytes: Uint8Array, parse: (bytes: Uint8Array) => T): { readonly value: T; readonly views: number } {
  const counted = new CountingBytes(bytes.length);
  counted.set(bytes);
  views = 0;
  const value = parse(counted);
  return { value, views };
}
