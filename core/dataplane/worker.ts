/** Entry of both threads of the dataplane. */
import { workerData } from 'node:worker_threads';
import { chooseBackend } from '../esp/backends.ts';
import type { LaneStart } from './commands.ts';
import { runLane } from './laneLoop.ts';

const { backend }: LaneStart = workerData;
runLane(chooseBackend(backend === undefined ? {} : { only: backend }));
