/** Gateways of other makers as resources/bootstrap.mjs unpacked them, and what stands in for the kernel's ESP, which this one has not. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export type OtherGateway = 'libreswan' | 'openiked';

const FOLDER = resolve(import.meta.dirname, '..', '..', 'node_modules', '.sallyport-unpacked');
const STAND_INS: Readonly<Record<OtherGateway, string>> = { libreswan: 'xfrm.c', openiked: 'pfkey.c' };
/** A program of each that says who it is, when its libraries are there. */
const PROGRAMS: Readonly<Record<OtherGateway, readonly string[]>> = {
  libreswan: ['usr/libexec/ipsec/pluto', '--version'],
  openiked: ['usr/sbin/iked', '-V'],
};

/** Of its Debian package. */
export function rootOf(gateway: OtherGateway): string {
  return join(FOLDER, gateway);
}

/** Why a gateway cannot be run here; undefined: it can. */
export function whyNot(gateway: OtherGateway): string | undefined {
  const [program = '', ...args] = PROGRAMS[gateway];
  if (!existsSync(join(rootOf(gateway), program))) return `${gateway} is not unpacked`;
  const { status, stderr } = spawnSync(join(rootOf(gateway), program), args, { encoding: 'utf8' });
  if (status !== 0) return `${gateway} does not run: ${stderr.trim().split('\n')[0]}`;
  return spawnSync('gcc', ['--version']).status === 0 ? undefined : 'there is no gcc';
}

const made = new Map<OtherGateway, string>();
const folders = new Set<string>();

/** Goes with the process, if its owner does not remove it before. */
export function temporaryFolder(what: string): string {
  if (folders.size === 0) process.on('exit', () => folders.forEach(removeFolder));
  const folder = mkdtempSync(join(tmpdir(), `sallylab-${what}-`));
  folders.add(folder);
  return folder;
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** Path of the library to be preloaded, compiled once for a process. */
export function standInOf(gateway: OtherGateway): string {
  const known = made.get(gateway);
  if (known !== undefined) return known;
  const library = join(temporaryFolder('stand-in'), `${gateway}.so`);
  const source = join(import.meta.dirname, 'standIns', STAND_INS[gateway]);
  const compiled = spawnSync('gcc', ['-Wall', '-shared', '-fPIC', '-O1', '-o', library, source], { encoding: 'utf8' });
  if (compiled.status !== 0) throw new Error(`gcc ${source}: ${compiled.stderr}`);
  made.set(gateway, library);
  return library;
}
