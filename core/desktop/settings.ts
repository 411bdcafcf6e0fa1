/** The window's settings: a small JSON file of the user, written whole or not at all. What cannot be read becomes the default, and is said. */
import { mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { err, ok, type Result } from '../bytes/result.ts';
import { writeDurably } from '../system/wholeFile.ts';
import { defaultSettings, type Settings } from './contract.ts';

const fields = {
  startAtLogin: v.boolean(),
  appearance: v.picklist(['system', 'light', 'dark', 'high-contrast']),
  language: v.picklist(['system', 'en', 'ko', 'de']),
  notifications: v.boolean(),
  currentProfile: v.nullable(v.pipe(v.string(), v.minLength(1), v.maxLength(256))),
} as const;

/** A change the window may ask for. */
export const settingsChange = v.partial(v.strictObject(fields));

export interface SettingsFile {
  current(): Settings;
  /** What was wrong with the file when it was read; undefined when nothing was. */
  readonly problem: string | undefined;
  /** Holds from now on, also when it could not be written: then the error says why. */
  change(change: Partial<Settings>): Result<Settings, string>;
}

export function defaultSettingsPath(): string {
  const given = process.env.XDG_CONFIG_HOME;
  return join(given === undefined || given === '' ? join(homedir(), '.config') : given, 'sallyport', 'settings.json');
}

export function openSettings(path: string): SettingsFile {
  const read = readSettings(path);
  let settings = read.settings;
  return {
    current: () => settings,
    problem: read.problem,
    change: (change) => {
      settings = { ...settings, ...change };
      try {
        mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
        writeDurably(path, `${JSON.stringify(settings, null, 2)}\n`);
        return ok(settings);
      } catch (error) {
        return err(`${path}: ${reasonOf(error)}`);
      }
    },
  };
}

function readSettings(path: string): { readonly settings: Settings; readonly problem: string | undefined } {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    return { settings: defaultSettings, problem: missing ? undefined : `${path}: ${reasonOf(error)}; using the defaults` };
  }
  const given = parseObject(text);
  if (given === undefined) return { settings: defaultSettings, problem: `${path} is not a JSON object; using the defaults` };
  const known = Object.keys(fields).filter((name): name is keyof Settings => name in fields && Object.hasOwn(given, name));
  const broken = known.filter((name) => !v.is(fields[name], given[name]));
  const kept = v.parse(
    v.partial(v.object(fields)),
    Object.fromEntries(Object.entries(given).filter(([name]) => !broken.some((bad) => bad === name))),
  );
  const problem = broken.length === 0 ? undefined : `${path}: using the default of ${broken.join(', ')}`;
  return { settings: { ...defaultSettings, ...kept }, problem };
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.message : 'unknown';
}
