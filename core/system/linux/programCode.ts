/**
 * Memory of program code. Node is a file of 120 MB, of which a start maps a third into memory, and afterwards a tenth of that is used.
 */
import { readFileSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { MADV_DONTNEED } from '../ffi/constants.ts';
import { madvise } from '../ffi/libc.ts';

/**
 * Takes mapped pages of program files out of this process. What is used again comes back from the page cache, a few pages at a time; so this
 * is for a process that has just finished something and will now wait. Only mappings that are neither writable nor were ever written: of
 * others the content would be lost (madvise(2)). A machine that does not tell keeps all of it.
 */
export function giveBackCode(): void {
  for (const mapping of mappings()) {
    // START-END PERMISSIONS OFFSET DEVICE INODE PATH, then what is resident of it (proc_pid_smaps(5)). Inode 0 is memory without a file.
    const range = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ [1-9][0-9]* /.exec(mapping);
    if (range === null || !/^Anonymous: +0 kB$/m.test(mapping)) continue;
    const [from, to] = [Number.parseInt(range[1], 16), Number.parseInt(range[2], 16)];
    madvise(from, to - from, MADV_DONTNEED);
  }
}

/**
 * Writes down what was compiled, where there is a folder for it (core/helper/compileCache.ts). For a process or thread that has loaded all
 * its code, before it gives up root or begins to wait for ever.
 */
export function keepCompiled(): void {
  flushCompileCache();
}

/** Each with its lines of /proc/self/smaps. */
function mappings(): readonly string[] {
  try {
    return readFileSync('/proc/self/smaps', 'latin1').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  } catch {
    return [];
  }
}
