/** The shell of a browser: link, settings and bridge put together, for `npm start` without Electron, the demo and the UI tests. */

import { DEFAULT_SOCKET } from '../rpc/contract.ts';
import { programVersion } from '../rpc/version.ts';
import { helperChecks } from '../system/linux/trust.ts';
import { startBridge } from './bridge.ts';
import type { StartReply } from './contract.ts';
import { openLink } from './link.ts';
import { platformName } from './platform.ts';
import { defaultSettingsPath, openSettings } from './settings.ts';
import { startFailed } from './startHelper.ts';
import { createWindowApi } from './windowApi.ts';

export interface BrowserShellOptions {
  /** Folder of the built renderer. */
  readonly dist: string;
  readonly socket?: string;
  readonly settings?: string;
  /** Uid the helper must have; root. */
  readonly owner?: number;
  readonly startHelper?: () => Promise<StartReply>;
  /** A line for whoever started this. */
  readonly say: (line: string) => void;
}

export interface BrowserShell {
  readonly origin: string;
  issueUrl(): string;
  close(): Promise<void>;
}

export async function startBrowserShell(options: BrowserShellOptions): Promise<BrowserShell> {
  const version = programVersion();
  const settings = openSettings(options.settings ?? defaultSettingsPath());
  if (settings.problem !== undefined) options.say(settings.problem);
  const link = openLink({
    socket: options.socket ?? process.env.SALLYPORT_SOCKET ?? DEFAULT_SOCKET,
    client: `sallyport-window ${version}`,
    ...helperChecks(options.owner),
  });
  const { startHelper } = options;
  const api = createWindowApi({
    link,
    settings,
    shell: {
      info: () => ({
        version,
        shell: 'browser',
        platform: platformName(),
        locale: Intl.DateTimeFormat().resolvedOptions().locale,
        canStartHelper: startHelper !== undefined,
        canStartAtLogin: false,
      }),
      startHelper: async () =>
        startHelper ? startHelper() : startFailed('terminal-only', 'start it in a terminal: sudo npm start -- --helper-only'),
    },
  });
  const bridge = await startBridge({ api, dist: options.dist });
  return {
    origin: bridge.origin,
    issueUrl: bridge.issueUrl,
    close: async () => {
      link.close();
      await bridge.close();
    },
  };
}
