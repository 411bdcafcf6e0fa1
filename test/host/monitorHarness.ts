/** Runs the monitor with a given engine script and resolver file: `runMonitor` with what its command line does not offer. */
import { repair, runMonitor } from '../../core/helper/monitor.ts';

const [folder, engineScript, mode] = process.argv.slice(2);
const options = {
  runDir: `${folder}/run`,
  stateDir: `${folder}/state`,
  engineUser: 'nobody-has-this-name',
  logLevel: 'debug',
  keyLog: undefined,
  engineScript,
  resolver: { resolvConf: `${folder}/etc/resolv.conf`, resolvectl: undefined, resolvconf: undefined },
} as const;

process.exit(mode === 'repair' ? repair(options) : await runMonitor(options));
