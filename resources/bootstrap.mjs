#!/usr/bin/env node
/**
 * Makes `npm run demo`, `npm test` and the other scripts work on a Debian machine with only Node 20 and npm.
 * Plain Node, no dependencies: it runs before anything is installed. Quick when nothing is missing, and nothing is done twice.
 *
 *   node resources/bootstrap.mjs [demo|test|ui|start|check|bench|interop|vectors|sim]
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** What each script needs of Debian, beyond what every installation has. */
const lab = ['iproute2', 'nftables', 'iputils-ping', 'tcpdump', 'ethtool'];
const strongswan = [
  'strongswan-charon',
  'strongswan-swanctl',
  'strongswan-pki',
  'libcharon-extra-plugins',
  'libcharon-extauth-plugins',
  'libstrongswan-extra-plugins',
  'libstrongswan-standard-plugins',
];
const radius = ['freeradius'];
const browser = ['chromium', 'fonts-noto-cjk', 'fonts-noto-core'];
const traffic = ['iperf3'];
const debianPackages = {
  demo: lab,
  test: [...lab, ...strongswan, ...radius, ...traffic, 'tshark', 'openssl', 'dbus-daemon', ...browser],
  interop: [...lab, ...strongswan, ...radius, ...traffic, 'tshark', 'openssl'],
  bench: [...lab, ...strongswan, ...traffic],
  ui: [...lab, ...browser],
  start: ['iproute2'],
  check: [],
  vectors: [],
  sim: [],
};
/** What makes the tunnel faster where Debian has it: Intel's library for one kind of processor, in some of its releases. Never a must. */
const ipsecMb = process.arch === 'x64' ? ['libipsec-mb1'] : [];
/**
 * Gateways of other makers, which interop meets where they can be had. Debian installs no other beside strongSwan, and each would start when the
 * computer does; so they are only unpacked, in `unpackedFolder`. They need libraries, and test/lab/standIns a compiler.
 */
const otherGateways = ['libreswan', 'openiked'];
const forOtherGateways = [
  ...['libnss3-tools', 'libunbound8', 'libldns3', 'libevent-2.1-7', 'libevent-core-2.1-7', 'libevent-pthreads-2.1-7'],
  ...['libcurl3-nss', 'libldap-2.5-0', 'libcap-ng0', 'gcc', 'libc6-dev'],
];
const optionalPackages = {
  demo: ipsecMb,
  test: [...ipsecMb, ...forOtherGateways],
  interop: [...ipsecMb, ...forOtherGateways],
  bench: ipsecMb,
};
const unpackedPackages = { test: otherGateways, interop: otherGateways };
const unpackedFolder = join(root, 'node_modules', '.sallyport-unpacked');

main();

function main() {
  const purpose = process.argv[2] ?? 'start';
  const packages = debianPackages[purpose];
  if (packages === undefined) fail(`bootstrap: unknown purpose "${purpose}"; one of ${Object.keys(debianPackages).join(', ')}`);
  installNpmPackages();
  installDebianPackages(purpose, packages);
  installOptionalPackages(optionalPackages[purpose] ?? []);
  unpackPackages(unpackedPackages[purpose] ?? []);
}

/** `npm ci`, when the lock file is not the one that was last installed here. */
function installNpmPackages() {
  const stamp = join(root, 'node_modules', '.sallyport-lock');
  const lockHash = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .update(process.arch)
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash) return;
  say('installing the npm packages of package-lock.json (once; about half a minute)');
  const npm = process.env.npm_execpath;
  const [command, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  const done = spawnSync(command, [...first, 'ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (done.status !== 0) {
    fail(
      'bootstrap: `npm ci` failed (its own words are above). Check that the npm registry can be reached, then run the command again.',
    );
  }
  writeFileSync(stamp, lockHash);
}

function installDebianPackages(purpose, packages) {
  const missing = missingOf(packages);
  if (missing.length === 0) return;
  const line = `apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (!existsSync('/usr/bin/apt-get')) {
    fail(`bootstrap: \`npm run ${purpose}\` needs these programs, by the names of Debian's packages: ${missing.join(' ')}`);
  }
  const asRoot = process.getuid?.() === 0 ? [] : sudo();
  if (asRoot === undefined)
    fail(`bootstrap: Debian packages are missing. Run this line once, then the same command again:\n\n  sudo ${line}\n`);
  say(`installing Debian packages: ${missing.join(' ')}`);
  withoutStartingServices(asRoot, () => {
    if (apt(asRoot, missing) !== 0) {
      say('refreshing the list of packages');
      run(asRoot, ['apt-get', 'update', '-qq']);
      apt(asRoot, missing);
    }
  });
  const still = missingOf(packages);
  if (still.length > 0) {
    fail(
      `bootstrap: these Debian packages could not be installed: ${still.join(' ')}\nTry it by hand:\n\n  sudo apt-get update && sudo ${line}\n`,
    );
  }
}

function installOptionalPackages(packages) {
  const missing = missingOf(packages);
  const asRoot = process.getuid?.() === 0 ? [] : sudo();
  if (missing.length === 0 || !existsSync('/usr/bin/apt-get') || asRoot === undefined) return;
  if (!readdirSync('/var/lib/apt/lists').some((name) => name.includes('_Packages'))) run(asRoot, ['apt-get', 'update', '-qq']);
  const known = missing.filter((name) => spawnSync('apt-cache', ['show', name], { stdio: 'ignore' }).status === 0);
  if (known.length === 0) return;
  say(`installing Debian packages that are good to have: ${known.join(' ')}`);
  if (apt(asRoot, known) !== 0) say('they could not be installed; it works without them');
}

/** Into a folder for each, which is there when all of it is. Nothing of the system is touched, and no script of theirs runs. */
function unpackPackages(names) {
  const missing = names.filter((name) => !existsSync(join(unpackedFolder, name)));
  if (missing.length === 0 || !existsSync('/usr/bin/apt-get')) return;
  for (const name of missing) {
    const folder = join(unpackedFolder, `${name}.${process.pid}`);
    mkdirSync(folder, { recursive: true });
    const options = ['-qq', '-o', 'Acquire::Retries=0', '-o', 'Acquire::http::Timeout=10'];
    const got = spawnSync('apt-get', ['download', ...options, name], { cwd: folder, stdio: 'ignore' }).status === 0;
    const file = got ? readdirSync(folder).find((one) => one.endsWith('.deb')) : undefined;
    const whole = file !== undefined && spawnSync('dpkg', ['-x', join(folder, file), join(folder, 'root')]).status === 0;
    if (whole && !existsSync(join(unpackedFolder, name))) renameSync(join(folder, 'root'), join(unpackedFolder, name));
    rmSync(folder, { recursive: true, force: true });
    say(whole ? `unpacked ${name} for interop` : `${name} cannot be had; interop works without it`);
  }
}

function missingOf(packages) {
  if (packages.length === 0) return [];
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own format language
  const shown = spawnSync('dpkg-query', ['-W', '-f', '${db:Status-Status} ${Package}\\n', ...packages], { encoding: 'utf8' });
  if (shown.error) return packages.filter((name) => !existsSync(`/usr/share/doc/${name}`));
  const installed = new Set();
  for (const line of shown.stdout.split('\n')) {
    const [status, name] = line.split(' ');
    if (status === 'installed') installed.add(name);
  }
  return packages.filter((name) => !installed.has(name));
}

function apt(asRoot, packages) {
  return run(asRoot, [
    'apt-get',
    'install',
    '-y',
    '-qq',
    '--no-install-recommends',
    '-o',
    'DPkg::Lock::Timeout=120',
    ...packages,
  ]);
}

/**
 * The strongSwan packages would start an IKE daemon on this machine, which then owns UDP 500 and 4500.
 * Debian's way to install without starting is a policy-rc.d that refuses; an existing one is left alone.
 */
function withoutStartingServices(asRoot, action) {
  const policy = '/usr/sbin/policy-rc.d';
  const ours = !existsSync(policy) && asRoot.length === 0;
  if (ours)
    writeFileSync(policy, '#!/bin/sh\n# written by sallyport bootstrap, removed after the installation\nexit 101\n', {
      mode: 0o755,
    });
  try {
    action();
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
}

/** The prefix that makes a command root without asking, or undefined. */
function sudo() {
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0 ? ['sudo', '-n'] : undefined;
}

function run(prefix, command) {
  const [program, ...rest] = [...prefix, ...command];
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync(program, rest, { stdio: ['ignore', 2, 2], env: environment }).status;
}

function say(text) {
  process.stderr.write(`bootstrap: ${text}\n`);
}

function fail(text) {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}
