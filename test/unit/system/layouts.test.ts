import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { endianness, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as layouts from '../../../core/system/ffi/layouts.ts';

/** C type, C field of each of ours; in the order of declaration. Padding fields have no C name. */
const c: readonly [keyof typeof layouts, string, Readonly<Record<string, string>>][] = [
  ['POLLFD', 'struct pollfd', { fd: 'fd', events: 'events', revents: 'revents' }],
  ['TIMESPEC', 'struct timespec', { seconds: 'tv_sec', nanoseconds: 'tv_nsec' }],
  ['IOVEC', 'struct iovec', { base: 'iov_base', length: 'iov_len' }],
  [
    'MSGHDR',
    'struct msghdr',
    {
      name: 'msg_name',
      nameLength: 'msg_namelen',
      iov: 'msg_iov',
      iovLength: 'msg_iovlen',
      control: 'msg_control',
      controlLength: 'msg_controllen',
      flags: 'msg_flags',
    },
  ],
  ['MMSGHDR', 'struct mmsghdr', { header: 'msg_hdr', length: 'msg_len' }],
  ['CMSGHDR', 'struct cmsghdr', { length: 'cmsg_len', level: 'cmsg_level', type: 'cmsg_type' }],
  [
    'SOCK_EXTENDED_ERR',
    'struct sock_extended_err',
    {
      errno: 'ee_errno',
      origin: 'ee_origin',
      type: 'ee_type',
      code: 'ee_code',
      pad: 'ee_pad',
      info: 'ee_info',
      data: 'ee_data',
    },
  ],
  ['SOCK_FILTER', 'struct sock_filter', { code: 'code', yes: 'jt', no: 'jf', value: 'k' }],
  ['SOCK_FPROG', 'struct sock_fprog', { length: 'len', filter: 'filter' }],
  ['UCRED', 'struct ucred', { pid: 'pid', uid: 'uid', gid: 'gid' }],
  ['IFREQ', 'struct ifreq', { name: 'ifr_name', flags: 'ifr_flags' }],
  ['SOCKADDR_IN', 'struct sockaddr_in', { family: 'sin_family', port: 'sin_port', address: 'sin_addr', zero: 'sin_zero' }],
  [
    'SOCKADDR_IN6',
    'struct sockaddr_in6',
    { family: 'sin6_family', port: 'sin6_port', flowInfo: 'sin6_flowinfo', address: 'sin6_addr', scope: 'sin6_scope_id' },
  ],
  ['SOCKADDR_UN', 'struct sockaddr_un', { family: 'sun_family', path: 'sun_path' }],
  ['SOCKADDR_NL', 'struct sockaddr_nl', { family: 'nl_family', pid: 'nl_pid', groups: 'nl_groups' }],
  [
    'NLMSGHDR',
    'struct nlmsghdr',
    { length: 'nlmsg_len', type: 'nlmsg_type', flags: 'nlmsg_flags', sequence: 'nlmsg_seq', pid: 'nlmsg_pid' },
  ],
  ['NLMSGERR', 'struct nlmsgerr', { error: 'error', header: 'msg' }],
  ['RTATTR', 'struct rtattr', { length: 'rta_len', type: 'rta_type' }],
  [
    'IFINFOMSG',
    'struct ifinfomsg',
    { family: 'ifi_family', type: 'ifi_type', index: 'ifi_index', flags: 'ifi_flags', change: 'ifi_change' },
  ],
  [
    'IFADDRMSG',
    'struct ifaddrmsg',
    { family: 'ifa_family', prefix: 'ifa_prefixlen', flags: 'ifa_flags', scope: 'ifa_scope', index: 'ifa_index' },
  ],
  [
    'RTMSG',
    'struct rtmsg',
    {
      family: 'rtm_family',
      dstLength: 'rtm_dst_len',
      srcLength: 'rtm_src_len',
      tos: 'rtm_tos',
      table: 'rtm_table',
      protocol: 'rtm_protocol',
      scope: 'rtm_scope',
      type: 'rtm_type',
      flags: 'rtm_flags',
    },
  ],
  [
    'FIB_RULE_HDR',
    'struct fib_rule_hdr',
    {
      family: 'family',
      dstLength: 'dst_len',
      srcLength: 'src_len',
      tos: 'tos',
      table: 'table',
      action: 'action',
      flags: 'flags',
    },
  ],
];

/** Sizes and the offsets that padding decides, of the 64-bit Linux ABI (the same on x86-64 and arm64). */
const abi: Readonly<Partial<Record<keyof typeof layouts, readonly [size: number, offsets: Readonly<Record<string, number>>]>>> = {
  POLLFD: [8, { events: 4, revents: 6 }],
  TIMESPEC: [16, { seconds: 0, nanoseconds: 8 }],
  IOVEC: [16, { base: 0, length: 8 }],
  MSGHDR: [56, { name: 0, nameLength: 8, iov: 16, iovLength: 24, control: 32, controlLength: 40, flags: 48 }],
  MMSGHDR: [64, { header: 0, length: 56 }],
  CMSGHDR: [16, { length: 0, level: 8, type: 12 }],
  SOCK_EXTENDED_ERR: [16, { errno: 0, origin: 4, type: 5, code: 6, info: 8, data: 12 }],
  SOCK_FILTER: [8, { code: 0, yes: 2, no: 3, value: 4 }],
  SOCK_FPROG: [16, { length: 0, filter: 8 }],
  UCRED: [12, { pid: 0, uid: 4, gid: 8 }],
  IFREQ: [40, { name: 0, flags: 16 }],
  SOCKADDR_IN: [16, { port: 2, address: 4 }],
  SOCKADDR_IN6: [28, { port: 2, flowInfo: 4, address: 8, scope: 24 }],
  SOCKADDR_UN: [110, { path: 2 }],
  SOCKADDR_NL: [12, { pid: 4, groups: 8 }],
  NLMSGHDR: [16, { type: 4, flags: 6, sequence: 8, pid: 12 }],
  NLMSGERR: [20, { error: 0, header: 4 }],
  RTATTR: [4, { type: 2 }],
  IFINFOMSG: [16, { type: 2, index: 4, flags: 8, change: 12 }],
  IFADDRMSG: [8, { prefix: 1, flags: 2, scope: 3, index: 4 }],
  RTMSG: [12, { dstLength: 1, table: 4, protocol: 5, scope: 6, type: 7, flags: 8 }],
  FIB_RULE_HDR: [12, { dstLength: 1, table: 4, action: 7, flags: 8 }],
};

test('every structure has the sizes and offsets of the Linux ABI', () => {
  assert.equal(endianness(), 'LE');
  assert.deepEqual(Object.keys(abi).sort(), Object.keys(layouts).sort());
  for (const [name, expected] of Object.entries(abi)) {
    const ours = layoutOf(name);
    assert.equal(ours.size, expected[0], name);
    for (const [field, offset] of Object.entries(expected[1])) assert.equal(ours.offset[field], offset, `${name}.${field}`);
  }
});

const compiler = ['cc', 'gcc', 'clang'].find((name) => spawnSync(name, ['--version']).status === 0);

test('a C compiler agrees', { skip: compiler === undefined ? 'no C compiler here' : false }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-layouts-'));
  try {
    const lines = c.flatMap(([name, type, fields]) => [
      `printf("${name} size %zu\\n", sizeof(${type}));`,
      ...Object.entries(fields).map(([ours, theirs]) => `printf("${name} ${ours} %zu\\n", offsetof(${type}, ${theirs}));`),
    ]);
    const headers = [
      '#define _GNU_SOURCE',
      ...['stdio.h', 'stddef.h', 'poll.h', 'sys/uio.h', 'sys/socket.h', 'sys/un.h', 'netinet/in.h', 'net/if.h'],
      ...['linux/netlink.h', 'linux/rtnetlink.h', 'linux/fib_rules.h', 'linux/errqueue.h', 'linux/filter.h'],
    ].map((line) => (line.startsWith('#') ? line : `#include <${line}>`));
    writeFileSync(join(folder, 'layouts.c'), `${headers.join('\n')}\nint main(void) {\n${lines.join('\n')}\nreturn 0;\n}\n`);
    const built = spawnSync(compiler ?? '', ['-o', join(folder, 'layouts'), join(folder, 'layouts.c')], { encoding: 'utf8' });
    assert.equal(built.status, 0, built.stderr);
    const told = spawnSync(join(folder, 'layouts'), { encoding: 'utf8' }).stdout.trim().split('\n');
    const expected = c.flatMap(([name, , fields]) => {
      const ours = layoutOf(name);
      return [`${name} size ${ours.size}`, ...Object.keys(fields).map((field) => `${name} ${field} ${ours.offset[field]}`)];
    });
    assert.deepEqual(told, expected);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

function layoutOf(name: string): { readonly size: number; readonly offset: Readonly<Record<string, number>> } {
  const [, found] = Object.entries(layouts).find(([key]) => key === name) ?? assert.fail(name);
  return found;
}
