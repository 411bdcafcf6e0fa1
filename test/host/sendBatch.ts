/** One sendmmsg of prepared messages to one address, again and again: as fast as a process can send. */
import { IOVEC, MMSGHDR, MSGHDR } from '../../core/system/ffi/layouts.ts';
import { sendmmsg } from '../../core/system/ffi/libc.ts';
import { Pinned } from '../../core/system/ffi/memory.ts';
import { sockaddrLength } from '../../core/system/linux/sockaddr.ts';

/** The kernel is given addresses only, so all that they lead to is kept by this object. */
export class SendBatch {
  /** Octets of the messages, one behind the other. */
  readonly data: Pinned;
  readonly #count: number;
  readonly #name: Pinned;
  readonly #vectors: Pinned;
  readonly #headers: Pinned;

  /** `count` messages of so many octets each. */
  constructor(to: Uint8Array, count: number, octets: number) {
    this.data = new Pinned(count * octets);
    this.#count = count;
    this.#name = new Pinned(to);
    this.#vectors = new Pinned(count * IOVEC.size);
    this.#headers = new Pinned(count * MMSGHDR.size);
    for (let i = 0; i < count; i++) {
      this.#vectors.setPointer(i * IOVEC.size + IOVEC.offset.base, this.data.address + i * octets);
      this.#vectors.setSize(i * IOVEC.size + IOVEC.offset.length, octets);
      const at = i * MMSGHDR.size;
      this.#headers.setPointer(at + MSGHDR.offset.name, this.#name.address);
      this.#headers.view.setUint32(at + MSGHDR.offset.nameLength, sockaddrLength(to), true);
      this.#headers.setPointer(at + MSGHDR.offset.iov, this.#vectors.address + i * IOVEC.size);
      this.#headers.setSize(at + MSGHDR.offset.iovLength, 1);
    }
  }

  /** How many the kernel took; negative when none, and `errno` says why. */
  send(fd: number): number {
    return sendmmsg(fd, this.#headers.address, this.#count, 0);
  }
}
