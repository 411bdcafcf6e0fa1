/**
 * Runs a test file again inside network, mount and process namespaces of its own, which end with it: nothing to clean up, and
 * nothing a test does can reach this machine's routes or files. Also the small tools such tests need.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const MARK = 'SALLYPORT_TEST_ISOLATED';

/** True inside. Outside it registers one test that runs the whole file inside, and the file must register nothing else. */
export function isolated(url: string): boolean {
  if (process.env[MARK] === url) return true;
  const file = fileURLToPath(url);
  const reason = process.getuid?.() === 0 ? false : 'needs root';
  test(`in namespaces of its own: ${file.split('/test/').at(-1)}`, { skip: reason }, () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const ended = spawnSync(
      'unshare',
      [
        '--net',
        '--mount',
        '--pid',
        '--fork',
        '--mount-proc',
        '--kill-child',
        '--',
        process.execPath,
        '--test',
        '--test-reporter=spec',
        file,
      ],
      {
        encoding: 'utf8',
        env: { ...env, [MARK]: url },
        // The longest takes twenty seconds on a machine that does nothing else.
        timeout: 600_000,
        // unshare(1) blocks SIGTERM while its child lives; all in its namespaces dies with it.
        killSignal: 'SIGKILL',
      },
    );
    if (ended.status !== 0) throw new Error(`${ended.stdout}\n${ended.stderr}\n${ended.error?.message ?? ''}`);
  });
  return false;
}

/** Runs a program; throws with its words when it fails. */
export function run(file: string, ...args: readonly string[]): string {
  const ended = spawnSync(file, args, { encoding: 'utf8' });
  if (ended.status !== 0) throw new Error(`${file} ${args.join(' ')}: ${ended.stderr || ended.error?.message}`);
  return ended.stdout;
}

/** `ip -j …`, the oracle. */
export function ip(...args: readonly string[]): Readonly<Record<string, unknown>>[] {
  const text = run('ip', '-j', ...args);
  return text.trim() === '' ? [] : JSON.parse(text);
}

/** Another network namespace, alive as long as the process that is in it. */
export interface Neighbour {
  readonly pid: number;
  run(file: string, ...args: readonly string[]): string;
  spawn(file: string, ...args: readonly string[]): ChildProcess;
  [Symbol.dispose](): void;
}

export function neighbour(): Neighbour {
  const holder = spawn('unshare', ['--net', '--', 'sleep', 'infinity'], { stdio: 'ignore' });
  const pid = holder.pid ?? 0;
  const own = run('readlink', '/proc/self/ns/net');
  // unshare execs sleep after it made the namespace.
  while (run('readlink', `/proc/${pid}/ns/net`) === own) spawnSync('sleep', ['0.01']);
  const children: ChildProcess[] = [];
  const inside = ['--target', String(pid), '--net', '--'];
  return {
    pid,
    run: (file, ...args) => run('nsenter', ...inside, file, ...args),
    spawn: (file, ...args) => {
      const child = spawn('nsenter', [...inside, file, ...args], { stdio: 'ignore' });
      children.push(child);
      return child;
    },
    [Symbol.dispose]: () => {
      for (const child of children) child.kill('SIGKILL');
      holder.kill('SIGKILL');
    },
  };
}

/** Everything the product may change, as the oracle sees it. Counters and lifetimes are left out. */
export function hostState(resolvConf: string): unknown {
  const plain = (entry: Readonly<Record<string, unknown>>): unknown => {
    const { valid_life_time: _, preferred_life_time: __, stats64: ___, ...rest } = entry;
    return rest;
  };
  return {
    links: ip('-d', 'link').map(plain),
    addresses: ip('addr').map((link) => ({ ...link, addr_info: Array.isArray(link.addr_info) ? link.addr_info.map(plain) : [] })),
    routes: [...ip('-4', 'route', 'show', 'table', 'all'), ...ip('-6', 'route', 'show', 'table', 'all')].map(plain),
    rules: [...ip('-4', 'rule'), ...ip('-6', 'rule')],
    sysctl: run('sh', '-c', 'cd /proc/sys/net/ipv4/conf && for f in */rp_filter; do echo $f $(cat $f); done'),
    resolvConf: run(
      'sh',
      '-c',
      `stat -c '%F %a %u %g %N' ${resolvConf} 2>&1; cat ${resolvConf} 2>&1; ls -A $(dirname ${resolvConf})`,
    ),
  };
}
