import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { offerOfArguments, offerOfFile, offerOfLink } from '../../../core/desktop/offers.ts';

const profile = '{"sallyport":1,"name":"Büro"}';
const link = (text: string): string => `sallyport://import?profile=${Buffer.from(text).toString('base64url')}`;

suite('profiles offered from outside', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'sallyport-offers-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('a link carries the file', () => {
    assert.deepEqual(offerOfLink(link(profile)), {
      ok: true,
      value: { source: 'link', from: 'sallyport://import', text: profile },
    });
    assert.equal(offerOfLink(link(profile).replace('import?', 'import/?')).ok, true);
  });

  for (const wrong of [
    'sallyport://import',
    'sallyport://import?profile=',
    'sallyport://import?profile=%7B%7D',
    'sallyport://import?url=https://evil.example/profile',
    `${link(profile)}&shared=true`,
    `${link(profile)}&profile=e30`,
    link(profile).replace('import', 'connect'),
    link(profile).replace('import?', 'import/../connect?'),
    link(profile).replace('sallyport:', 'https:'),
    'sallyport:',
    'not a link',
    `sallyport://import?profile=${Buffer.from([0xff, 0xfe, 0x41]).toString('base64url')}`,
  ]) {
    test(`not a profile link: ${wrong.slice(0, 60)}`, () =>
      assert.deepEqual(offerOfLink(wrong), { ok: false, error: 'not-a-profile-link' }));
  }

  test('a link is bounded', () => {
    assert.deepEqual(offerOfLink(link('x'.repeat(600 * 1024))), { ok: false, error: 'too-long' });
    assert.deepEqual(offerOfLink(link('x'.repeat(5 * 1024 * 1024))), { ok: false, error: 'too-long' });
  });

  test('a file is offered by its name', () => {
    for (const name of ['a.sallyport', 'b.sallyport.json', 'C.SALLYPORT']) {
      const path = join(folder, name);
      writeFileSync(path, profile);
      assert.deepEqual(offerOfFile(path), { ok: true, value: { source: 'file', from: name, text: profile } });
    }
  });

  test('not: other endings, folders, pipes, devices, large files, no text, nothing', () => {
    const at = (name: string): string => join(folder, name);
    writeFileSync(at('passwd'), profile);
    mkdirSync(at('folder.sallyport'));
    assert.equal(spawnSync('mkfifo', [at('pipe.sallyport')]).status, 0);
    writeFileSync(at('large.sallyport'), 'x'.repeat(600 * 1024));
    writeFileSync(at('binary.sallyport'), Buffer.from([0xff, 0x00, 0xfe]));
    assert.deepEqual(offerOfFile(at('passwd')), { ok: false, error: 'not-a-profile-file' });
    assert.deepEqual(offerOfFile(at('folder.sallyport')), { ok: false, error: 'not-a-profile-file' });
    assert.deepEqual(offerOfFile(at('pipe.sallyport')), { ok: false, error: 'not-a-profile-file' });
    assert.deepEqual(offerOfFile(at('large.sallyport')), { ok: false, error: 'too-long' });
    assert.deepEqual(offerOfFile(at('binary.sallyport')), { ok: false, error: 'not-a-profile-file' });
    assert.deepEqual(offerOfFile(at('gone.sallyport')), { ok: false, error: 'unreadable' });
  });

  test('a command line: the link or the file, whatever switches are around it', () => {
    const path = join(folder, 'line.sallyport');
    writeFileSync(path, profile);
    assert.equal(offerOfArguments(['/opt/sallyport', '--hidden']), undefined);
    assert.equal(offerOfArguments([link(profile)]), undefined, 'the program itself is no offer');
    const fromLink = offerOfArguments(['/opt/sallyport', '--allow-file-access-from-files', link(profile)]);
    assert.equal(fromLink?.ok && fromLink.value.source, 'link');
    const fromFile = offerOfArguments(['/opt/sallyport', '--original-process-start-time=1', path]);
    assert.equal(fromFile?.ok && fromFile.value.from, 'line.sallyport');
  });

  test('a file manager gives a URL, a shell a path from where it stands', () => {
    const name = 'Büro 100 %.sallyport';
    writeFileSync(join(folder, name), profile);
    const url = pathToFileURL(join(folder, name)).href;
    for (const [word, from] of [
      [url, '/'],
      [url.replace('file://', 'file://localhost'), '/'],
      [name, folder],
    ] as const) {
      const offered = offerOfArguments(['/opt/sallyport', word], from);
      assert.deepEqual(offered, { ok: true, value: { source: 'file', from: name, text: profile } }, word);
    }
    for (const word of [
      'file://elsewhere/a.sallyport',
      'file:///a%2Fb.sallyport',
      'file:///a%00.sallyport',
      'file:a.sallyport',
    ]) {
      assert.deepEqual(offerOfArguments(['/opt/sallyport', word], folder), { ok: false, error: 'unreadable' }, word);
    }
  });
});
