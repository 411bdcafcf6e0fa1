/** TUN devices: inner packets without packet information, non-blocking. */
import { closeSync, constants, openSync } from 'node:fs';
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import { EBADFD, EINTR, EINVAL, IFF_NO_PI, IFF_TUN, TUNSETIFF } from '../ffi/constants.ts';
import { IFREQ } from '../ffi/layouts.ts';
import { errno, ioctl, read, write } from '../ffi/libc.ts';
import { Pinned } from '../ffi/memory.ts';
import type { BatchTun, HostError, PacketBatch } from '../ports.ts';
import { addressOfBuffer } from './buffers.ts';
import { hostError, hostErrorOf } from './errors.ts';

/** A device by its descriptor, in any thread. Whoever opened it closes it. */
export class LinuxTun implements BatchTun {
  readonly fd: number;

  constructor(fd: number) {
    this.fd = fd;
  }

  readBatch(batch: PacketBatch): number {
    const base = addressOfBuffer(batch.buffer);
    const { stride, headroom, capacity } = batch;
    let count = 0;
    while (count < capacity) {
      const offset = count * stride + headroom;
      const length = read(this.fd, base + offset, stride - headroom);
      if (length < 0) {
        const number = errno();
        if (number === EINTR) continue;
        // EBADFD: the device was deleted under us; what was read so far still counts.
        if (number === EBADFD && count === 0) {
          batch.count = 0;
          return -1;
        }
        break;
      }
      batch.offset[count] = offset;
      batch.length[count] = length;
      count += 1;
    }
    batch.count = count;
    return count;
  }

  writeBatch(batch: PacketBatch): number {
    const base = addressOfBuffer(batch.buffer);
    let index = 0;
    while (index < batch.count) {
      if (write(this.fd, base + batch.offset[index], batch.length[index]) < 0) {
        const number = errno();
        if (number === EINTR) continue;
        if (number !== EINVAL) return index;
      }
      index += 1;
    }
    return index;
  }
}

/** Creates the device (CAP_NET_ADMIN). Closing the descriptor, in every process that has it, removes the device. */
export function openTun(
  name: string,
  device = '/dev/net/tun',
): Result<{ readonly fd: number; readonly tun: LinuxTun }, HostError> {
  let fd: number;
  try {
    fd = openSync(device, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (error) {
    return err(hostErrorOf(error, `open ${device}`));
  }
  const request = new Pinned(IFREQ.size);
  request.bytes.set(new TextEncoder().encode(name).subarray(0, 15), IFREQ.offset.name);
  request.view.setInt16(IFREQ.offset.flags, IFF_TUN | IFF_NO_PI, true);
  if (ioctl(fd, TUNSETIFF, request.address) < 0) {
    const number = errno();
    closeSync(fd);
    return err(hostError(number, `TUNSETIFF ${name}`));
  }
  return ok({ fd, tun: new LinuxTun(fd) });
}
