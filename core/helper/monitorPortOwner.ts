import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** `charon (pid 812)` for whoever has this UDP port, as far as /proc tells. */
export function udpPortOwner(port: number): string | undefined {
  const inodes = new Set(
    [...inodesOf('/proc/net/udp', port), ...inodesOf('/proc/net/udp6', port)].map((inode) => `socket:[${inode}]`),
  );
  if (inodes.size === 0) return undefined;
  for (const pid of readable(() => readdirSync('/proc')) ?? []) {
    if (!/^[0-9]+$/.test(pid)) continue;
    for (const fd of readable(() => readdirSync(`/proc/${pid}/fd`)) ?? []) {
      const target = readable(() => readlinkSync(`/proc/${pid}/fd/${fd}`));
      if (target === undefined || !inodes.has(target)) continue;
      return `${programName(pid)} (pid ${pid})`;
    }
  }
  return undefined;
}

/** As it was started; a thread's own name (`comm`) often says less. Printable, as other users choose it. */
function programName(pid: string): string {
  const started = readable(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0]) ?? '';
  const name =
    started
      .split('/')
      .at(-1)
      ?.slice(0, 64)
      .replace(/[^!-~]/g, '?') ?? '';
  return name === '' ? 'a program' : name;
}

/** proc(5): the second column is `address:port` in hexadecimal, the tenth the inode. */
function inodesOf(path: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  const found: string[] = [];
  for (const line of (readable(() => readFileSync(path, 'utf8')) ?? '').split('\n').slice(1)) {
    const columns = line.trim().split(/\s+/);
    if (columns.length > 9 && columns[1].endsWith(`:${wanted}`)) found.push(columns[9]);
  }
  return found;
}

/** Processes and descriptors come and go while /proc is read. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
