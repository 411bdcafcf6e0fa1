/**
 * `node --test` for the files of one stage in the order given, which `--test` would sort: `inOrder.ts CONCURRENCY FILE…`. What takes
 * longest comes first, so that no core is idle at the end.
 */
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

const [concurrency, ...files] = process.argv.slice(2);

process.exitCode = 1; // until the summary of all says otherwise
run({ files, concurrency: Number(concurrency) })
  .on('test:summary', ({ file, success }) => {
    if (file === undefined && success) process.exitCode = 0;
  })
  .compose(spec)
  .pipe(process.stdout);
