/** Entry of both threads of the dataplane. */
import { workerData } from 'node:worker_threads';
import { chooseBackend } from '../esp/backends.ts';
import { keepCompiled } from '../system/linux/programCode.ts';
import type { LaneStart } from './commands.ts';
import { runLane } from './laneLoop.ts';
import { warmUp } from './warmUp.ts';

const { backend, lane }: LaneStart = workerData;
const choice = chooseBackend(backend === undefined ? {} : { only: backend });
warmUp(choice.backend, lane);
// A lane never returns to the event loop, which would do it in the end.
keepCompiled();
runLane(choice);
