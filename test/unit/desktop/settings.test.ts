import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { defaultSettings } from '../../../core/desktop/contract.ts';
import { openSettings } from '../../../core/desktop/settings.ts';
import { readWindowState, writeWindowState } from '../../../core/desktop/windowState.ts';

suite('settings and the place of the window', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sallyport-settings-'));
    path = join(folder, 'deeper', 'settings.json');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function write(text: string): void {
    mkdirSync(join(folder, 'deeper'), { recursive: true });
    writeFileSync(path, text);
  }

  test('no file yet: the defaults, and nothing to say about it', () => {
    const settings = openSettings(path);
    assert.deepEqual(settings.current(), defaultSettings);
    assert.equal(settings.problem, undefined);
  });

  test('a change is kept, whole, for its owner only, and leaves no temporary file', () => {
    const changed = openSettings(path).change({ language: 'ko', currentProfile: 'x' });
    assert.equal(changed.ok, true);
    assert.deepEqual(openSettings(path).current(), { ...defaultSettings, language: 'ko', currentProfile: 'x' });
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(join(folder, 'deeper')), ['settings.json']);
  });

  for (const [what, text] of [
    ['cut off', '{"language": "ko"'],
    ['empty', ''],
    ['a list', '[]'],
    ['null', 'null'],
  ] as const) {
    test(`a file that is ${what}: the defaults, and it is said`, () => {
      write(text);
      const settings = openSettings(path);
      assert.deepEqual(settings.current(), defaultSettings);
      assert.match(settings.problem ?? '', /settings\.json.*default/);
    });
  }

  test('one broken value costs that value only, and it is named', () => {
    write(JSON.stringify({ ...defaultSettings, language: 'klingon', appearance: 'dark', future: 1 }));
    const settings = openSettings(path);
    assert.deepEqual(settings.current(), { ...defaultSettings, appearance: 'dark' });
    assert.match(settings.problem ?? '', /language/);
    assert.doesNotMatch(settings.problem ?? '', /klingon/);
  });

  test('what cannot be written is said, and holds until the end', () => {
    writeFileSync(join(folder, 'deeper'), 'a file where the folder should be');
    const settings = openSettings(path);
    const changed = settings.change({ notifications: false });
    assert.equal(changed.ok, false);
    assert.equal(settings.current().notifications, false);
    assert.match(readFileSync(join(folder, 'deeper'), 'utf8'), /a file/);
  });

  const screens = [{ x: 0, y: 0, width: 1280, height: 800 }];

  test('the window comes back where it was', () => {
    const file = join(folder, 'window.json');
    writeWindowState(file, { x: 10, y: 20, width: 500, height: 700 });
    assert.deepEqual(readWindowState(file, screens), { x: 10, y: 20, width: 500, height: 700 });
  });

  test('but not where no screen is any more, and not larger than the screen', () => {
    const file = join(folder, 'window.json');
    writeWindowState(file, { x: 3000, y: 20, width: 500, height: 700 });
    assert.equal(readWindowState(file, screens), undefined);
    writeWindowState(file, { x: 1240, y: 20, width: 500, height: 700 });
    assert.equal(readWindowState(file, screens), undefined);
    writeWindowState(file, { x: 100, y: -10, width: 5000, height: 100 });
    assert.deepEqual(readWindowState(file, screens), { x: 100, y: 0, width: 1280, height: 480 });
    writeFileSync(file, '{"x":"evil"}');
    assert.equal(readWindowState(file, screens), undefined);
  });
});
