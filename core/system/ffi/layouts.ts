/**
 * Every C structure that crosses to the kernel: sizes and offsets as the C compiler lays them out for this processor (koffi computes
 * them from the field types; test/unit/system/layouts.test.ts compares with the numbers of the Linux ABI and with a C compiler).
 * A wrong one is memory corruption in a privileged process.
 */
import koffi, { type TypeObject } from 'koffi';

type Fields = Readonly<Record<string, TypeObject | string>>;

export interface Layout<F extends Fields> {
  readonly size: number;
  readonly offset: { readonly [K in keyof F]: number };
}

function layout<const F extends Fields>(fields: F): Layout<F> {
  const type = koffi.struct({ ...fields });
  const names: (keyof F & string)[] = Object.keys(fields);
  const offset: Partial<Record<keyof F, number>> = {};
  for (const name of names) offset[name] = koffi.offsetof(type, name);
  return { size: koffi.sizeof(type), offset: offset as Layout<F>['offset'] };
}

/** poll(2) */
export const POLLFD = layout({ fd: 'int', events: 'short', revents: 'short' });

/** clock_gettime(2), and twice, interval and value, timerfd_settime(2) */
export const TIMESPEC = layout({ seconds: 'int64_t', nanoseconds: 'long' });

/** readv(2) */
export const IOVEC = layout({ base: 'uintptr_t', length: 'size_t' });

/** sendmsg(2) */
const msghdr = {
  name: 'uintptr_t',
  nameLength: 'uint32_t',
  iov: 'uintptr_t',
  iovLength: 'size_t',
  control: 'uintptr_t',
  controlLength: 'size_t',
  flags: 'int',
} as const;
export const MSGHDR = layout(msghdr);

/** sendmmsg(2): a msghdr and the octets transferred. */
export const MMSGHDR = layout({ header: koffi.struct({ ...msghdr }), length: 'uint32_t' });

/** cmsg(3) */
export const CMSGHDR = layout({ length: 'size_t', level: 'int', type: 'int' });

/** linux/errqueue.h */
export const SOCK_EXTENDED_ERR = layout({
  errno: 'uint32_t',
  origin: 'uint8_t',
  type: 'uint8_t',
  code: 'uint8_t',
  pad: 'uint8_t',
  info: 'uint32_t',
  data: 'uint32_t',
});

/** linux/filter.h */
export const SOCK_FILTER = layout({ code: 'uint16_t', yes: 'uint8_t', no: 'uint8_t', value: 'uint32_t' });
export const SOCK_FPROG = layout({ length: 'uint16_t', filter: 'uintptr_t' });

/** unix(7), SO_PEERCRED */
export const UCRED = layout({ pid: 'int', uid: 'uint32_t', gid: 'uint32_t' });

/** netdevice(7): `ifr_name` and the union, whose largest member (`struct ifmap`) is 24 octets on 64-bit machines. */
export const IFREQ = layout({ name: koffi.array('uint8_t', 16), flags: 'int16_t', rest: koffi.array('uint8_t', 22) });

/** ip(7), ipv6(7), unix(7), netlink(7) */
export const SOCKADDR_IN = layout({
  family: 'uint16_t',
  port: 'uint16_t',
  address: koffi.array('uint8_t', 4),
  zero: koffi.array('uint8_t', 8),
});
export const SOCKADDR_IN6 = layout({
  family: 'uint16_t',
  port: 'uint16_t',
  flowInfo: 'uint32_t',
  address: koffi.array('uint8_t', 16),
  scope: 'uint32_t',
});
export const SOCKADDR_UN = layout({ family: 'uint16_t', path: koffi.array('uint8_t', 108) });
export const SOCKADDR_NL = layout({ family: 'uint16_t', pad: 'uint16_t', pid: 'uint32_t', groups: 'uint32_t' });

/** netlink(7), rtnetlink(7) */
export const NLMSGHDR = layout({
  length: 'uint32_t',
  type: 'uint16_t',
  flags: 'uint16_t',
  sequence: 'uint32_t',
  pid: 'uint32_t',
});
export const NLMSGERR = layout({ error: 'int', header: koffi.struct({ words: koffi.array('uint32_t', 4) }) });
export const RTATTR = layout({ length: 'uint16_t', type: 'uint16_t' });
export const IFINFOMSG = layout({
  family: 'uint8_t',
  pad: 'uint8_t',
  type: 'uint16_t',
  index: 'int',
  flags: 'uint32_t',
  change: 'uint32_t',
});
export const IFADDRMSG = layout({ family: 'uint8_t', prefix: 'uint8_t', flags: 'uint8_t', scope: 'uint8_t', index: 'uint32_t' });
export const RTMSG = layout({
  family: 'uint8_t',
  dstLength: 'uint8_t',
  srcLength: 'uint8_t',
  tos: 'uint8_t',
  table: 'uint8_t',
  protocol: 'uint8_t',
  scope: 'uint8_t',
  type: 'uint8_t',
  flags: 'uint32_t',
});
/** linux/fib_rules.h */
export const FIB_RULE_HDR = layout({
  family: 'uint8_t',
  dstLength: 'uint8_t',
  srcLength: 'uint8_t',
  tos: 'uint8_t',
  table: 'uint8_t',
  reserved1: 'uint8_t',
  reserved2: 'uint8_t',
  action: 'uint8_t',
  flags: 'uint32_t',
});
