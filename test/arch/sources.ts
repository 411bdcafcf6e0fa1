/** Reads the tree once, for the rules of this folder. Uses the text, not a parser: an import is a line of its own here (biome sees to it). */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');

export interface Source {
  /** Relative to the project's root, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly { readonly specifier: string; readonly typeOnly: boolean; readonly target: string | undefined }[];
}

/** Every .ts and .tsx file below `folder` (relative to the root). */
export function sourcesBelow(folder: string): readonly Source[] {
  const found: Source[] = [];
  for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.tsx?$/.test(entry.name)) continue;
    const path = relative(root, join(entry.parentPath, entry.name));
    const text = readFileSync(join(root, path), 'utf8');
    found.push({ path, text, imports: importsOf(path, text) });
  }
  return found;
}

/** The text without comments and string contents, so that words in prose are not taken for code. */
export function codeOnly(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, ' ')
    .replace(/(^|[^:'"`])\/\/.*$/gm, '$1')
    .replace(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g, "''");
}

function importsOf(path: string, text: string): Source['imports'] {
  const found = [];
  const pattern = /^\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'|\bimport\('([^']+)'\)/gm;
  for (const match of text.matchAll(pattern)) {
    const specifier = match[2] ?? match[3] ?? '';
    const target = specifier.startsWith('.') ? relative(root, resolve(root, dirname(path), specifier)) : undefined;
    found.push({ specifier, typeOnly: match[1] !== undefined, target });
  }
  return found;
}
