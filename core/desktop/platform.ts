/** The system we run on, by the names of the contract. */
import type { AppInfo } from './contract.ts';

export function platformName(): AppInfo['platform'] {
  const { platform } = process;
  return platform === 'linux' || platform === 'darwin' || platform === 'win32' ? platform : 'other';
}
