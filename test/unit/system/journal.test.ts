/** The journal that is full, and on a disk that is: a program of its own, on 64 KiB that nobody else has. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Journal, type UndoEntry } from '../../../core/system/linux/journal.ts';

const skip = process.getuid?.() !== 0 && 'only root mounts';

test('what does not fit is refused whole, and what is there can be undone and goes on', { skip }, () => {
  const said = onSmallDisk(`
    const journal = Journal.open(path, 'boot');
    journal.append([{ kind: 'link', name: 'sally0' }]);
    const before = readFileSync(path, 'utf8');
    writeFileSync(filler, Buffer.alloc(40 << 10));
    const content = 'nameserver 192.0.2.53\\n'.repeat(1500);
    const big = { kind: 'file', path: '/etc/resolv.conf', before: { type: 'file', content, mode: 0o644, uid: 0, gid: 0 }, after: 'x' };
    const refused = codeOf(() => journal.append([big]));
    const unchanged = readFileSync(path, 'utf8') === before && journal.entries.length === 1;
    const onDisk = kinds(Journal.open(path, 'boot'));
    rmSync(filler);
    journal.append([big, { kind: 'resolved', interface: 'sally0' }]);
    say({ refused, unchanged, onDisk, later: kinds(Journal.open(path, 'boot')) });`);
  assert.deepEqual(said, { refused: 'ENOSPC', unchanged: true, onDisk: ['link'], later: ['link', 'file', 'resolved'] });
});

test('one whose last line was cut off opens on a full disk, and swallows nothing later', { skip }, () => {
  const said = onSmallDisk(`
    Journal.open(path, 'boot').append([{ kind: 'link', name: 'sally0' }]);
    // Up to the last octet of its page.
    const cut = '{"boot":"boot","kind":"fi'.padEnd(4096 - readFileSync(path).length, 'x');
    writeFileSync(path, cut, { flag: 'a' });
    codeOf(() => writeFileSync(filler, Buffer.alloc(1 << 20)));
    const opened = kinds(Journal.open(path, 'boot'));
    rmSync(filler);
    Journal.open(path, 'boot').append([{ kind: 'resolved', interface: 'sally0' }]);
    say({ opened, later: kinds(Journal.open(path, 'boot')) });`);
  assert.deepEqual(said, { opened: ['link'], later: ['link', 'resolved'] });
});

test('files that are replaced again and again fill it up to a limit; what is there already and what is no file is taken still', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-journal-'));
  const path = join(folder, 'journal');
  const journal = Journal.open(path, 'boot');
  const file = (number: number): UndoEntry => ({
    ...{ kind: 'file', path: '/etc/resolv.conf', before: { type: 'missing' } },
    after: `${number}`.padEnd(16_384),
  });
  let count = 0;
  while (journal.append([{ kind: 'link', name: `sally${count}` }, file(count)])) count++;
  assert.equal(count, 63);
  assert.equal(journal.entries.length, 2 * count, 'of what does not fit nothing is taken');
  assert.deepEqual([journal.append([file(0)]), journal.append([{ kind: 'link', name: 'sally99' }])], [true, true]);
  assert.ok(statSync(path).size <= 1 << 20);
  assert.deepEqual(Journal.open(path, 'boot').entries, journal.entries);
  journal.clear();
  assert.deepEqual([journal.append([file(count)]), journal.entries], [true, [file(count)]]);
  journal.close();
  rmSync(folder, { recursive: true });
});

function onSmallDisk(steps: string): unknown {
  const place = mkdtempSync(join(tmpdir(), 'sallyport-journal-'));
  const program = `
    import { readFileSync, rmSync, writeFileSync } from 'node:fs';
    import { Journal } from '${join(import.meta.dirname, '../../../core/system/linux/journal.ts')}';
    const path = '${join(place, 'journal')}';
    const filler = '${join(place, 'filler')}';
    const kinds = ({ entries }) => entries.map(({ kind }) => kind);
    const say = (value) => console.log(JSON.stringify(value));
    const codeOf = (work) => {
      try {
        work();
      } catch ({ code }) {
        return code;
      }
    };
    ${steps}`;
  const mounted = `mount -t tmpfs -o size=64k none '${place}' && exec "$0" --input-type=module -e "$1"`;
  const { stdout, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', mounted, process.execPath, program], { encoding: 'utf8' });
  rmSync(place, { recursive: true });
  assert.notEqual(stdout, '', stderr);
  return JSON.parse(stdout);
}
