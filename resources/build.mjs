#!/usr/bin/env node
/**
 * Builds what a window needs into dist/: `renderer` (vite), `electron` (main process and preload, one file each) and `icons`.
 *
 *   node resources/build.mjs [renderer|electron|icons …] [--stale]     all of them by default; --stale: only what is older than its sources
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { writeIcons } from './icons.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');

/** What is built from what, and the file that is written last. */
const parts = {
  renderer: {
    sources: ['renderer', 'core'],
    product: join(dist, 'renderer', 'index.html'),
    make: () => buildRenderer(join(dist, 'renderer')),
  },
  electron: {
    sources: ['electron', 'core'],
    product: join(dist, 'electron', 'preload.cjs'),
    make: () => buildElectron(join(dist, 'electron')),
  },
  icons: {
    sources: ['resources/icons.mjs', 'resources/icons'],
    product: join(dist, 'icons', 'sallyport.svg'),
    make: () => writeIcons(join(dist, 'icons')),
  },
};

export async function buildRenderer(outDir) {
  await build({ configFile: join(root, 'renderer', 'vite.config.ts'), logLevel: 'warn', build: { outDir, emptyOutDir: true } });
}

/** Electron's main process as an ES module, and the preload as the one CommonJS file that a sandbox can load. */
export async function buildElectron(outDir) {
  const bundle = (entry, format, fileName) =>
    build({
      root,
      configFile: false,
      logLevel: 'warn',
      ssr: { noExternal: true, external: ['electron', 'koffi'] },
      build: {
        ssr: join(root, 'electron', entry),
        outDir,
        emptyOutDir: false,
        minify: false,
        target: 'node24',
        rolldownOptions: {
          external: ['electron', 'koffi', /^node:/],
          output: { format, entryFileNames: fileName, codeSplitting: false },
        },
      },
    });
  await bundle('main.ts', 'es', 'main.mjs');
  await bundle('preload.ts', 'cjs', 'preload.cjs');
}

/** Builds the parts whose sources are newer; returns the names of what it built. */
export async function buildStale(names = Object.keys(parts)) {
  const built = [];
  for (const name of names) {
    const { sources, product, make } = parts[name];
    if (existsSync(product) && newest(sources.map((source) => join(root, source))) <= statSync(product).mtimeMs) continue;
    await make();
    built.push(name);
  }
  return built;
}

function newest(paths) {
  let latest = 0;
  for (const path of paths) {
    const status = statSync(path, { throwIfNoEntry: false });
    if (status === undefined) continue;
    const below = status.isDirectory() ? newest(readdirSync(path).map((name) => join(path, name))) : status.mtimeMs;
    latest = Math.max(latest, below);
  }
  return latest;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const given = process.argv.slice(2);
  const names = given.filter((word) => word !== '--stale');
  const unknown = names.filter((name) => !Object.hasOwn(parts, name));
  if (unknown.length > 0) {
    process.stderr.write(`build: no part "${unknown.join('", "')}"; there are: ${Object.keys(parts).join(', ')}\n`);
    process.exit(2);
  }
  const wanted = names.length > 0 ? names : Object.keys(parts);
  if (given.includes('--stale')) await buildStale(wanted);
  else for (const name of wanted) await parts[name].make();
}
