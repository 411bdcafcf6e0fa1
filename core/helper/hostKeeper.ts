/**
 * Keeps the host as it was made for a tunnel. Other programs change it without asking: a device that is set down loses its routes for good, and
 * systemd-networkd takes away rules that it does not know whenever it starts anew, and a firewall that is loaded anew makes the reverse-path
 * filter strict again. Nothing passes then, or what is meant for the tunnel leaves in clear, while IKE goes on as before; or nothing of the
 * gateway is heard any more, however often it is tried.
 */
import type { NetworkPorts } from './roaming.ts';

/** Two programs that do not agree are not to keep the computer busy. Milliseconds. */
const rest = 1_000;

/** `mend` looks, makes the host as planned again, and says whether it had to; called one at a time. */
export function keepHost(network: Pick<NetworkPorts, 'watch'>, mend: () => Promise<boolean>): { stop(): void } {
  let busy = false;
  let again = false;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  function look(): void {
    again = busy;
    if (busy || stopped) return;
    busy = true;
    void mend().then(
      (mended) => {
        timer = setTimeout(go, mended ? rest : 0).unref();
      },
      () => go(),
    );
  }

  function go(): void {
    busy = false;
    if (again) look();
  }

  // Whatever changed: the device, too, which may be another one by now.
  const watch = network.watch('', look);
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
      watch.close();
    },
  };
}
