/** `node --import file:///…/laneDies.ts?when=FILE core/helper/monitor.ts …`: an engine whose inbound lane throws at the next packet once FILE is there. */
import { existsSync } from 'node:fs';
import { registerHooks } from 'node:module';

const file = new URL(import.meta.url).searchParams.get('when') ?? '';

declare global {
  /** What the changed source below calls. */
  var laneDies: () => boolean;
}
globalThis.laneDies = () => existsSync(file);

const changes: readonly { readonly file: string; readonly from: string; readonly to: string }[] = [
  {
    file: 'core/helper/monitorEngine.ts',
    from: '...LEAN.flags,',
    to: `...LEAN.flags, '--import', ${JSON.stringify(import.meta.url)},`,
  },
  {
    file: 'core/dataplane/inboundLoop.ts',
    from: 'const received = lane.receive(udp, channel) > 0;',
    to: "if (globalThis.laneDies()) throw new Error('as the test wants it'); const received = lane.receive(udp, channel) > 0;",
  },
];

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    const change = changes.find((one) => url.endsWith(one.file));
    if (!change) return loaded;
    const source = String(loaded.source);
    if (!source.includes(change.from)) throw new Error(`${change.file} has changed: what was to be replaced is not there`);
    return { ...loaded, source: source.replace(change.from, change.to) };
  },
});
