/** A host to change in a test that is `isolated`: plans, and a monitor's worth of host with its own journal, device and resolv.conf. */
import assert from 'node:assert/strict';
import { closeSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LinuxHost } from '../../core/system/linux/hostPlan.ts';
import { Journal } from '../../core/system/linux/journal.ts';
import { Rtnetlink } from '../../core/system/linux/rtnetlink.ts';
import { openTun } from '../../core/system/linux/tun.ts';
import type { HostPlan } from '../../core/system/ports.ts';
import { hostState, run } from './isolated.ts';

export const full: HostPlan = {
  interface: {
    name: 'sally0',
    mtu: 1380,
    addresses: [
      { address: '10.99.0.5', prefix: 24 },
      { address: '2001:db8:99::5', prefix: 128 },
    ],
  },
  routes: ['0.0.0.0/0', '::/0'],
  dns: { servers: ['10.99.0.1'], searchDomains: ['office.test'], matchDomains: [] },
};
export const split: HostPlan = { ...full, routes: ['10.20.0.0/16', '10.30.0.0/16', '2001:db8:20::/48'] };

export class Crash extends Error {}

/** A monitor's worth of host, with its journal, resolv.conf and device in a folder of its own. */
export class Scene {
  readonly folder = mkdtempSync(join(tmpdir(), 'sallyport-host-'));
  readonly etc = join(this.folder, 'etc');
  readonly resolvConf = join(this.etc, 'resolv.conf');
  readonly before: unknown;
  readonly seen: string[] = [];
  crashAt = Number.POSITIVE_INFINITY;
  #journal: Journal | undefined;
  #tun: number | undefined;
  #netlink: ReturnType<typeof Rtnetlink.open> | undefined;

  constructor(prepare: (scene: Scene) => void = (scene) => writeFileSync(scene.resolvConf, 'nameserver 192.168.7.1\n')) {
    mkdirSync(this.etc);
    prepare(this);
    this.before = hostState(this.resolvConf);
  }

  open(name = 'sally0'): void {
    const opened = openTun(name);
    assert(opened.ok);
    this.#tun = opened.value.fd;
  }

  closeTun(): void {
    if (this.#tun !== undefined) closeSync(this.#tun);
    this.#tun = undefined;
  }

  get netlink(): Rtnetlink {
    this.#netlink ??= Rtnetlink.open();
    assert(this.#netlink.ok);
    return this.#netlink.value;
  }

  host(programs: { readonly resolvectl?: string; readonly resolvconf?: string } = {}): LinuxHost {
    this.#journal?.close();
    this.#journal = Journal.open(join(this.folder, 'journal'));
    const resolver = { resolvConf: this.resolvConf, resolvectl: programs.resolvectl, resolvconf: programs.resolvconf };
    const checkpoint = (what: string): void => {
      if (this.seen.length === this.crashAt) throw new Crash(what);
      this.seen.push(what);
    };
    return new LinuxHost({ netlink: this.netlink, journal: this.#journal, resolver, checkpoint });
  }

  /** An executable that notes how it was called. */
  program(name: string, exit = 0): string {
    const path = join(this.folder, name);
    writeFileSync(
      path,
      `#!/bin/sh\necho ${name} "$@" >> ${join(this.folder, 'calls')}\ncat >> ${join(this.folder, 'input')}\nexit ${exit}\n`,
    );
    run('chmod', '755', path);
    return path;
  }

  calls(): string[] {
    return readFileSync(join(this.folder, 'calls'), 'utf8').trim().split('\n');
  }

  [Symbol.dispose](): void {
    this.closeTun();
    this.#journal?.close();
    if (this.#netlink?.ok === true) this.#netlink.value.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function must(result: ReturnType<LinuxHost['apply']>): readonly string[] {
  assert(result.ok, result.ok ? '' : result.error.detail);
  return result.value;
}
