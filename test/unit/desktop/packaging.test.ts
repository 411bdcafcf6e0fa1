/** What is packaged: the fuses, the desktop's files, the icons that code draws. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { inflateSync } from 'node:zlib';

const ROOT = resolve(import.meta.dirname, '..', '..', '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const builder = read('electron-builder.yml');
const entry = read('resources/linux/sallyport-window.desktop');
const metainfo = read('resources/linux/dev.sallyport.Sallyport.metainfo.xml');

interface Picture {
  readonly size: number;
  /** RGBA. */
  readonly pixels: Uint8Array;
}

/** Of our own kind only: 8 bits, RGBA, no filter, one chunk. */
function readPng(file: Buffer): Picture {
  assert.equal(file.subarray(1, 4).toString('latin1'), 'PNG');
  const size = file.readUInt32BE(16);
  const length = file.readUInt32BE(33);
  assert.equal(file.subarray(37, 41).toString('latin1'), 'IDAT');
  const rows = inflateSync(file.subarray(41, 41 + length));
  const pixels = new Uint8Array(size * size * 4);
  for (let row = 0; row < size; row++) {
    const from = row * (size * 4 + 1) + 1;
    pixels.set(rows.subarray(from, from + size * 4), row * size * 4);
  }
  return { size, pixels };
}

/** Share of the picture that is painted at all, 0 to 1. */
function painted({ size, pixels }: Picture): number {
  let sum = 0;
  for (let at = 3; at < pixels.length; at += 4) sum += (pixels[at] ?? 0) / 255;
  return sum / (size * size);
}

suite('packaging', () => {
  test('the fuses close every way to run something else in the app’s name', () => {
    const wanted: Readonly<Record<string, boolean>> = {
      runAsNode: false,
      enableCookieEncryption: true,
      enableNodeOptionsEnvironmentVariable: false,
      enableNodeCliInspectArguments: false,
      enableEmbeddedAsarIntegrityValidation: true,
      onlyLoadAppFromAsar: true,
      grantFileProtocolExtraPrivileges: false,
    };
    for (const [fuse, value] of Object.entries(wanted)) assert.match(builder, new RegExp(`^ {2}${fuse}: ${value}$`, 'm'));
    assert.match(builder, /^asar: true$/m);
  });

  test('every target is there, and the main process is the built one', () => {
    for (const target of ['deb', 'rpm', 'AppImage', 'dmg', 'nsis'])
      assert.match(builder, new RegExp(`target: \\[.*\\b${target}\\b`));
    assert.match(builder, /main: dist\/electron\/main\.mjs/);
  });

  test('desktop entry, AppStream and builder speak of the same program, link and file', () => {
    const program = /^executableName: (.+)$/m.exec(builder)?.[1] ?? '';
    assert.match(entry, new RegExp(`^Exec=${program} %U$`, 'm'));
    assert.match(metainfo, new RegExp(`<launchable type="desktop-id">${program}\\.desktop<`));
    assert.match(metainfo, new RegExp(`<binary>${program}</binary>`));
    assert.match(entry, /^MimeType=x-scheme-handler\/sallyport;application\/vnd\.sallyport\.profile\+json;$/m);
    assert.match(builder, /schemes: \[sallyport\]/);
    for (const name of ['GenericName', 'Comment']) {
      for (const language of ['', '[de]', '[ko]']) {
        const line = entry.split('\n').find((each) => each.startsWith(`${name}${language}=`));
        assert.ok(line && builder.includes(line.replace('=', ': ')), `${name}${language}`);
      }
    }
    const { version }: { version: string } = JSON.parse(read('package.json'));
    assert.match(metainfo, new RegExp(`<release version="${version.replaceAll('.', '\\.')}"`));
  });

  test('the icons are drawn: every size, and a gate that differs in shape by state', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-icons-'));
    try {
      const { writeIcons }: { writeIcons: (folder: string) => void } = await import(
        pathToFileURL(join(ROOT, 'resources', 'icons.mjs')).href
      );
      writeIcons(folder);
      const files = readdirSync(folder);
      for (const size of [16, 24, 32, 48, 64, 128, 256, 512]) {
        const icon = readPng(readFileSync(join(folder, `${size}x${size}.png`)));
        assert.equal(icon.size, size);
        assert.ok(painted(icon) > 0.8, 'the ground fills it');
      }
      for (const name of ['icon.ico', 'icon.icns', 'sallyport.svg']) assert.ok(files.includes(name), name);
      for (const [suffix, size] of [
        ['', 16],
        ['@2x', 32],
      ] as const) {
        const gate = (name: string): Picture => readPng(readFileSync(join(folder, `tray-${name}-light${suffix}.png`)));
        const [open, moving, closed, fault] = ['open', 'moving', 'closed', 'fault'].map((name) => gate(name));
        assert.ok(open && moving && closed && fault);
        assert.equal(open.size, size);
        assert.ok(painted(closed) - painted(moving) > 0.01 && painted(moving) - painted(open) > 0.01, `at ${size} px`);
        assert.notDeepEqual(fault.pixels, closed.pixels);
        const colours = new Set<string>();
        for (let at = 0; at < open.pixels.length; at += 4)
          if (open.pixels[at + 3]) colours.add(open.pixels.subarray(at, at + 3).join());
        assert.deepEqual([...colours], ['255,255,255'], 'one colour');
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
