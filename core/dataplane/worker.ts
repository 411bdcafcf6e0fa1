/** Entry of both threads of the dataplane. */
import { flushCompileCache } from 'node:module';
import { workerData } from 'node:worker_threads';
import { chooseBackend } from '../esp/backends.ts';
import type { LaneStart } from './commands.ts';
import { runLane } from './laneLoop.ts';

const { backend }: LaneStart = workerData;
const choice = chooseBackend(backend === undefined ? {} : { only: backend });
// All code is loaded, and root is not given up yet (core/helper/compileCache.ts). A lane never returns to an event loop that would do it.
flushCompileCache();
runLane(choice);
