/** Tells when the network of this computer may have changed: the kernel's own news (rtnetlink(7), multicast groups), gathered for a moment. */
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import { AF_NETLINK, EAGAIN, EINTR, MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_RAW } from '../ffi/constants.ts';
import { IFADDRMSG, SOCKADDR_NL } from '../ffi/layouts.ts';
import { bind, close, errno, recv, socket } from '../ffi/libc.ts';
import { Pinned } from '../ffi/memory.ts';
import { watchReadable } from '../ffi/readiness.ts';
import type { HostError } from '../ports.ts';
import { hostError } from './errors.ts';
import { decodeAttributes, decodeMessages, IFA, type Message, RTM, viewOf } from './netlinkCodec.ts';

/**
 * RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV4_RULE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE, and the bits of
 * RTNLGRP_IPV6_RULE and RTNLGRP_IPV4_NETCONF (the reverse-path filter), which have no names of that kind (linux/rtnetlink.h).
 */
const groups = 0x1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 0x40000 | 0x800000;
/** News come in handfuls: an address, its routes, the default route. Milliseconds from the first of them. */
const gather = 50;
const newsMax = 64 * 1024;

export interface NetworkWatch {
  close(): void;
}

/**
 * `addresses`: one came or went, and not at a device (by its index) that is `ours`. Needs no privilege. Keeps the process alive.
 */
export function watchNetwork(
  onChange: (news: { readonly addresses: boolean }) => void,
  ours: (device: number) => boolean,
): Result<NetworkWatch, HostError> {
  const fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return err(hostError(errno(), 'netlink socket'));
  const name = new Pinned(SOCKADDR_NL.size);
  name.view.setUint16(SOCKADDR_NL.offset.family, AF_NETLINK, true);
  name.view.setUint32(SOCKADDR_NL.offset.groups, groups, true);
  if (bind(fd, name.address, SOCKADDR_NL.size) < 0) {
    const error = hostError(errno(), 'bind netlink');
    close(fd);
    return err(error);
  }
  const buffer = new Pinned(newsMax);
  /** A router that renews an address has it announced again and again. */
  const known = new Set<string>();
  let addresses = false;
  let timer: NodeJS.Timeout | undefined;
  const tell = (): void => {
    timer = undefined;
    const news = { addresses };
    addresses = false;
    onChange(news);
  };
  const watch = watchReadable(fd, () => {
    for (;;) {
      const length = recv(fd, buffer.address, newsMax, MSG_DONTWAIT);
      if (length < 0) {
        const number = errno();
        if (number === EINTR) continue;
        if (number === EAGAIN) break;
        addresses = true; // ENOBUFS: there was more than the queue holds
        break;
      }
      for (const message of decodeMessages(buffer.bytes.slice(0, length)) ?? [])
        addresses = isNews(message, known, ours) || addresses;
    }
    timer ??= setTimeout(tell, gather);
  });
  let open = true;
  return ok({
    close: () => {
      if (!open) return;
      open = false;
      clearTimeout(timer);
      watch.close();
      close(fd);
    },
  });
}

/** Whether it tells of an address that came or went. */
function isNews({ type, body }: Message, known: Set<string>, ours: (device: number) => boolean): boolean {
  if ((type !== RTM.NEWADDR && type !== RTM.DELADDR) || body.length < IFADDRMSG.size) return false;
  const attributes = decodeAttributes(body, IFADDRMSG.size);
  const octets = attributes.get(IFA.LOCAL) ?? attributes.get(IFA.ADDRESS);
  const device = viewOf(body).getUint32(IFADDRMSG.offset.index, true);
  if (ours(device)) return false;
  const name = `${device} ${octets?.join('.')}`;
  if (type === RTM.DELADDR) {
    known.delete(name);
    return true;
  }
  const fresh = !known.has(name);
  known.add(name);
  return fresh;
}
