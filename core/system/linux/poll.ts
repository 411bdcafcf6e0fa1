/** Waiting in a worker thread: poll(2), and an eventfd that ends the wait from elsewhere. */
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  EINTR,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  PR_SET_TIMERSLACK,
} from '../ffi/constants.ts';
import { POLLFD } from '../ffi/layouts.ts';
import { close, errno, errnoName, eventfd, poll, prctl, read, usleep, write } from '../ffi/libc.ts';
import { Pinned } from '../ffi/memory.ts';

/** A fixed set of descriptors that is waited for again and again. */
export class Poller {
  readonly #set: Pinned;
  readonly #count: number;

  constructor(fds: readonly number[]) {
    this.#count = fds.length;
    this.#set = new Pinned(Math.max(1, fds.length) * POLLFD.size);
    for (const [index, fd] of fds.entries()) {
      this.#set.view.setInt32(index * POLLFD.size + POLLFD.offset.fd, fd, true);
      this.#set.view.setInt16(index * POLLFD.size + POLLFD.offset.events, POLLIN, true);
    }
  }

  /** Blocks this thread until one is ready; milliseconds, -1 is for ever. Returns how many are; 0 also after a signal. */
  wait(timeoutMs: number): number {
    const count = poll(this.#set.address, this.#count, timeoutMs);
    if (count >= 0) return count;
    const number = errno();
    if (number === EINTR) {
      for (let index = 0; index < this.#count; index++)
        this.#set.view.setInt16(index * POLLFD.size + POLLFD.offset.revents, 0, true);
      return 0;
    }
    throw new Error(`poll: ${errnoName(number)}`);
  }

  /** Of the last wait: the descriptor at this index has something to read, or failed (the read will tell). */
  ready(index: number): boolean {
    return this.#events(index) !== 0;
  }

  /** Of the last wait: hung up, or not open. */
  failed(index: number): boolean {
    return (this.#events(index) & (POLLHUP | POLLNVAL)) !== 0;
  }

  /** Of the last wait: something is in its error queue, whatever there is to read besides. */
  reported(index: number): boolean {
    return (this.#events(index) & POLLERR) !== 0;
  }

  #events(index: number): number {
    return this.#set.view.getInt16(index * POLLFD.size + POLLFD.offset.revents, true);
  }
}

/** One wait: which of the descriptors are readable. Prefer `Poller` where the set stays. */
export function waitReadable(fds: readonly number[], timeoutMs: number): boolean[] {
  const poller = new Poller(fds);
  poller.wait(timeoutMs);
  return fds.map((_, index) => poller.ready(index));
}

const writable = new Pinned(POLLFD.size);

/** Waits until there is room to write; false when there was none for about so many milliseconds. */
export function waitWritable(fd: number, timeoutMs: number): boolean {
  writable.view.setInt32(POLLFD.offset.fd, fd, true);
  writable.view.setInt16(POLLFD.offset.events, POLLOUT, true);
  for (let left = timeoutMs; poll(writable.address, 1, left) === 1; left--) {
    // What is in a UDP socket's error queue ends every wait at once, and says nothing of room.
    if (writable.view.getInt16(POLLFD.offset.revents, true) !== POLLERR) return true;
    if (left <= 0) return false;
    usleep(1_000);
  }
  return false;
}

/** Lets this thread sleep for less than a millisecond, whatever happens meanwhile. */
export function sleepMicroseconds(microseconds: number): void {
  usleep(microseconds);
}

/** Nanoseconds by which the kernel may lengthen this thread's waits to spare wake-ups; 50,000 unless told. */
export function setTimerSlack(nanoseconds: number): void {
  prctl(PR_SET_TIMERSLACK, nanoseconds);
}

/** Wakes a thread that waits. `fd` may be handed to another thread, which makes its own object with `EventFd.of`. */
export class EventFd {
  readonly fd: number;
  readonly #value = new Pinned(8);

  private constructor(fd: number) {
    this.fd = fd;
  }

  static create(): EventFd {
    const fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) throw new Error(`eventfd: ${errnoName(errno())}`);
    return new EventFd(fd);
  }

  /** An eventfd that another thread created and will close. */
  static of(fd: number): EventFd {
    return new EventFd(fd);
  }

  signal(): void {
    this.#value.view.setBigUint64(0, 1n, true);
    // Fails only when the counter is full (2^64 - 2 signals unread): then the waiter is woken anyway.
    write(this.fd, this.#value.address, 8);
  }

  /** Forgets all signals so far; true when there was one. */
  drain(): boolean {
    return read(this.fd, this.#value.address, 8) === 8;
  }

  close(): void {
    close(this.fd);
  }
}
