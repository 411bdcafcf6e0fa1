import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { codeOnly, root, sourcesBelow } from './sources.ts';

/**
 * The table "may import" of ARCHITECTURE.md as data. A layer is the longest matching prefix. `type` marks layers of which only
 * types may be imported: they cost nothing at run time and make no cycle.
 */
const layers: Readonly<
  Record<string, { readonly may: readonly string[]; readonly types?: readonly string[]; readonly packages: readonly string[] }>
> = {
  'core/bytes': { may: [], packages: [] },
  'core/crypto': { may: ['core/bytes'], packages: ['@noble/'] },
  'core/crypto/node': { may: ['core/bytes', 'core/crypto'], packages: ['node:crypto', '@noble/'] },
  'core/crypto/evp': { may: ['core/bytes', 'core/crypto', 'core/system/ffi'], packages: [] },
  'core/crypto/ipsecMb': { may: ['core/bytes', 'core/crypto', 'core/system/ffi'], packages: ['node:fs'] },
  'core/pki': { may: ['core/bytes', 'core/crypto'], packages: ['pkijs', 'asn1js'] },
  'core/ike/wire': { may: ['core/bytes'], packages: [] },
  // Of pki the names, because they are identities too; certificates are judged elsewhere.
  'core/ike': {
    may: ['core/bytes', 'core/crypto', 'core/ip', 'core/ike/wire', 'core/pki/names.ts'],
    types: ['core/pki'],
    packages: [],
  },
  'core/ip': { may: ['core/bytes'], packages: [] },
  'core/esp': { may: ['core/bytes', 'core/crypto', 'core/ip'], types: ['core/ike'], packages: [] },
  'core/dataplane': {
    may: ['core/bytes', 'core/crypto', 'core/esp', 'core/ip', 'core/system'],
    types: ['core/ike'],
    packages: ['node:worker_threads', 'node:events', 'node:crypto'],
  },
  'core/profile': {
    may: ['core/bytes', 'core/crypto', 'core/ip', 'core/ike', 'core/pki', 'core/system'],
    types: ['core/rpc'],
    packages: ['valibot', 'node:'],
  },
  'core/tunnel': {
    may: ['core/bytes', 'core/ip'],
    types: ['core/ike', 'core/rpc', 'core/system', 'core/dataplane', 'core/crypto', 'core/pki'],
    packages: [],
  },
  'core/rpc': { may: ['core/bytes'], types: ['core/tunnel', 'core/pki', 'core/ike'], packages: ['valibot', 'node:'] },
  'core/system': { may: ['core/bytes', 'core/ip'], types: ['core/ike'], packages: ['node:'] },
  'core/system/ffi': { may: ['core/bytes', 'core/system'], packages: ['koffi', 'node:'] },
  'core/helper': { may: ['core/'], packages: ['node:', 'valibot'] },
  'core/desktop': {
    may: ['core/rpc', 'core/tunnel', 'core/bytes', 'core/system/linux/trust.ts', 'core/system/wholeFile.ts'],
    packages: ['node:', 'valibot'],
  },
  'core/cli': {
    may: ['core/rpc', 'core/tunnel', 'core/bytes', 'core/system'],
    types: ['core/ike'],
    packages: ['commander', 'node:'],
  },
};

const core = sourcesBelow('core');

test('imports in core follow the layer table', () => {
  const wrong: string[] = [];
  for (const source of core) {
    const name = layerOf(source.path);
    const layer = layers[name];
    if (layer === undefined) {
      wrong.push(`${source.path}: its folder is not in the layer table`);
      continue;
    }
    for (const { specifier, target, typeOnly } of source.imports) {
      if (target === undefined) {
        if (!layer.packages.some((allowed) => specifier.startsWith(allowed))) wrong.push(`${source.path} imports ${specifier}`);
        continue;
      }
      if (target.startsWith(`${name}/`)) continue;
      const allowed = typeOnly ? [...layer.may, ...(layer.types ?? [])] : layer.may;
      if (!allowed.some((prefix) => target.startsWith(prefix))) wrong.push(`${source.path} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('the protocol has no clock, randomness, timers or sockets', () => {
  const forbidden =
    /\b(Date\.now|new Date|performance\.|setTimeout|setInterval|setImmediate|Math\.random|randomBytes|getRandomValues|randomFill|process\.)/;
  const wrong: string[] = [];
  for (const source of core) {
    if (!/^core\/(bytes|crypto|pki|ike|esp|ip)\//.test(source.path)) continue;
    const hit = forbidden.exec(codeOnly(source.text));
    if (hit) wrong.push(`${source.path}: ${hit[0]}`);
  }
  assert.deepEqual(wrong, []);
});

test('koffi is used in core/system/ffi only', () => {
  const users = [...core, ...sourcesBelow('test'), ...sourcesBelow('electron'), ...sourcesBelow('renderer')]
    .filter((source) => source.imports.some(({ specifier }) => specifier === 'koffi'))
    .map((source) => source.path)
    .filter((path) => !path.startsWith('core/system/ffi/'));
  assert.deepEqual(users, []);
});

test('.tsx only in renderer, and no default exports, any or non-null casts through unknown in core', () => {
  const everywhere = [...core, ...sourcesBelow('test'), ...sourcesBelow('electron')];
  assert.deepEqual(
    everywhere.filter(({ path }) => path.endsWith('.tsx')).map(({ path }) => path),
    [],
  );
  assert.deepEqual(
    core.filter(({ text }) => /\bas unknown as\b|@ts-(ignore|expect-error|nocheck)/.test(codeOnly(text))).map(({ path }) => path),
    [],
  );
});

test('the top-level folders are the product’s', () => {
  const folders = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !['.git', 'node_modules', '.library', '.mirror'].includes(entry.name))
    .map((entry) => entry.name)
    .filter((name) => !['electron', 'renderer', 'core', 'resources', 'test', '.ci', 'dist', 'coverage'].includes(name));
  assert.deepEqual(folders, []);
});

test('no command reaches a shell', () => {
  const wrong = core
    .filter(({ text }) => /\bexecSync\b|\bexec\(|shell:\s*true/.test(codeOnly(text).replace(/\.exec\(/g, '')))
    .map(({ path }) => path);
  assert.deepEqual(wrong, []);
});

function layerOf(path: string): string {
  let best = '';
  for (const name of Object.keys(layers)) if (path.startsWith(`${name}/`) && name.length > best.length) best = name;
  return best;
}
