/** Builds the app as it is packaged, and starts its main process in a host: the bundle, not the sources. */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Host } from './host.ts';

const ROOT = resolve(import.meta.dirname, '..', '..');
const MODULE = pathToFileURL(join(import.meta.dirname, 'electronModule.ts')).href;

export interface Built {
  /** The dist/ of the app. */
  readonly dist: string;
  remove(): void;
}

/** In a folder of its own below dist/, so that the packages are found and nobody else's build is touched. */
export async function buildApp(renderer: 'probe' | 'real'): Promise<Built> {
  mkdirSync(join(ROOT, 'dist'), { recursive: true });
  const folder = mkdtempSync(join(ROOT, 'dist', `electron-test-${process.pid}-`));
  const dist = join(folder, 'dist');
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
  // These are programs' parts in JavaScript; there are no types to import.
  const { buildElectron, buildRenderer } = await builders();
  await buildElectron(join(dist, 'electron'));
  if (renderer === 'real') await buildRenderer(join(dist, 'renderer'));
  else cpSync(join(ROOT, 'test', 'unit', 'desktop', 'page'), join(dist, 'renderer'), { recursive: true });
  await iconWriter(join(dist, 'icons'));
  return { dist, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

const hosts: Host[] = [];

registerHooks({
  resolve(specifier, context, next) {
    if (specifier !== 'electron') return next(specifier, context);
    // One module per main process: the number is in the address of whoever imports it.
    const number = new URL(context.parentURL ?? 'file:///').searchParams.get('host');
    return { url: `${MODULE}?host=${number}`, shortCircuit: true };
  },
});

export function hostOfImport(url: string): Host {
  const host = hosts[Number(new URL(url).searchParams.get('host'))];
  if (host === undefined) throw new Error('electron is imported outside of a host');
  return host;
}

/** Runs the main process to where it waits; `words`: what the system starts it with. */
export async function startMain(built: Built, host: Host, words: readonly string[] = []): Promise<void> {
  hosts.push(host);
  process.argv = [process.execPath, join(built.dist, 'electron', 'main.mjs'), ...words];
  await import(`${pathToFileURL(join(built.dist, 'electron', 'main.mjs')).href}?host=${hosts.length - 1}`);
}

async function builders(): Promise<{
  readonly buildElectron: (outDir: string) => Promise<void>;
  readonly buildRenderer: (outDir: string) => Promise<void>;
}> {
  return import(pathToFileURL(join(ROOT, 'resources', 'build.mjs')).href);
}

async function iconWriter(folder: string): Promise<void> {
  const icons: { readonly writeIcons: (folder: string) => void } = await import(
    pathToFileURL(join(ROOT, 'resources', 'icons.mjs')).href
  );
  icons.writeIcons(folder);
}
