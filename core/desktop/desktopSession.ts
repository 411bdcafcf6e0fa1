/** What a Linux desktop has for us: a place for tray icons, and programs started at login. */
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { programPath } from './startHelper.ts';

/**
 * Whether somebody would show a tray icon. Electron cannot tell: without a host the icon is simply nowhere. Asks the session bus for the
 * owner of the name that hosts register (freedesktop StatusNotifierItem); unknown counts as no, then the window stays the way in.
 */
export async function hasTrayHost(): Promise<boolean> {
  if (process.platform !== 'linux') return true;
  const busctl = programPath('busctl');
  if (busctl === undefined) return false;
  return new Promise((resolve) => {
    const child = spawn(busctl, ['--user', 'status', 'org.kde.StatusNotifierWatcher'], { stdio: 'ignore', timeout: 2_000 });
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  });
}

/** Adds or removes the program in the desktop's autostart folder; the error is a line for people. */
export function setAutostart(on: boolean, command: readonly string[]): string | undefined {
  const configured = process.env.XDG_CONFIG_HOME;
  const folder = join(configured === undefined || configured === '' ? join(homedir(), '.config') : configured, 'autostart');
  const path = join(folder, 'sallyport.desktop');
  try {
    if (!on) {
      rmSync(path, { force: true });
      return undefined;
    }
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(path, autostartEntry(command));
    return undefined;
  } catch (error) {
    return `${path}: ${error instanceof Error ? error.message : 'cannot be written'}`;
  }
}

export function autostartEntry(command: readonly string[]): string {
  return [
    '[Desktop Entry]',
    'Type=Application',
    'Name=Sallyport',
    `Exec=${command.map(quoted).join(' ')}`,
    'Icon=sallyport-window',
    'X-GNOME-Autostart-enabled=true',
    '',
  ].join('\n');
}

/** Desktop Entry Specification, "The Exec key": quotes, with four characters escaped twice over, and no field codes. */
function quoted(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word.replaceAll('%', '%%');
  return `"${word
    .replaceAll(/["`$\\]/g, '\\$&')
    .replaceAll('\\', '\\\\')
    .replaceAll('%', '%%')}"`;
}
