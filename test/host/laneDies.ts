/** `node --import file:///…/laneDies.ts?when=FILE core/helper/monitor.ts …`: an engine whose inbound lane throws at the next packet once FILE is there. */
import { existsSync } from 'node:fs';
import { alsoInTheEngine, changeSources } from '../lab/changedSource.ts';

const file = new URL(import.meta.url).searchParams.get('when') ?? '';

declare global {
  /** What the changed source below calls. */
  var laneDies: () => boolean;
}
globalThis.laneDies = () => existsSync(file);

changeSources([
  alsoInTheEngine(import.meta.url),
  {
    file: 'core/dataplane/inboundLoop.ts',
    from: 'const received = lane.receive(udp, channel) > 0;',
    to: "if (globalThis.laneDies()) throw new Error('as the test wants it'); const received = lane.receive(udp, channel) > 0;",
  },
]);
