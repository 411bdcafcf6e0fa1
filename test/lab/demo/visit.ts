/** What the demo shows and measures, step by step, as one report. */
import { join } from 'node:path';
import type { Status } from '../../../core/rpc/contract.ts';
import { addressOctets } from '../../gateway/addresses.ts';
import type { Line } from '../../gateway/jsonProcess.ts';
import { PAGE_PORT, THROUGHPUT_PORT } from '../../gateway/office.ts';
import { INTRANET_TITLE } from '../../gateway/web.ts';
import { differences, snapshot } from '../snapshot.ts';
import { captureLink, judge, type LeakReport } from './leaks.ts';
import type { Stage } from './stage.ts';
import type { Command } from './visitor.ts';

/** The one object of `npm run demo -- --once --json`. A null is something that did not come about. */
export interface DemoReport {
  connected: boolean;
  natDetected: boolean;
  ikeProposal: string | null;
  espProposal: string | null;
  virtualIp: string | null;
  /** The address of intranet.office.test that the office's name server gave. */
  dns: string | null;
  /** Title of the page that came through the tunnel. */
  page: string | null;
  /** Median round trip to the intranet. */
  pingMs: number | null;
  mbitUp: number | null;
  mbitDown: number | null;
  /** From the first IKE_SA_INIT on the laptop's link to the first TCP connection into the intranet that was answered. */
  connectMs: number | null;
  /** Packets on the laptop's link, while up, that are neither IKE or ESP with the gateway nor neighbour discovery. */
  leaks: number | null;
  cleanAfter: boolean;
}

export const nothingYet: Readonly<DemoReport> = {
  connected: false,
  natDetected: false,
  ikeProposal: null,
  espProposal: null,
  virtualIp: null,
  dns: null,
  page: null,
  pingMs: null,
  mbitUp: null,
  mbitDown: null,
  connectMs: null,
  leaks: null,
  cleanAfter: false,
};

export interface VisitHooks {
  readonly say: (step: string) => void;
  readonly done: (result: string) => void;
  /** Something more while the tunnel is up; the interactive demo lives here. The value is when the tunnel went down before the end, if it did. */
  readonly whileUp?: (stage: Stage) => Promise<number | undefined>;
  /** How long each direction is measured, milliseconds. */
  readonly throughputMs: number;
  /** Throws when the user wants to stop. */
  readonly checkpoint: () => void;
}

export interface Visit {
  readonly report: DemoReport;
  /** What the host has left behind, line by line. */
  readonly leftovers: readonly string[];
  readonly leakReport: LeakReport | undefined;
  /** What went wrong first, if anything. */
  readonly problem: string | undefined;
}

const PINGS = 10;
const ANSWER_WITHIN_MS = 10_000;

export function allIsWell(report: DemoReport): boolean {
  return report.leaks === 0 && report.cleanAfter && Object.values(report).every((value) => value !== null && value !== false);
}

export async function visit(stage: Stage, hooks: VisitHooks): Promise<Visit> {
  const { lab } = stage;
  const gateway = lab.addresses.office.wan4;
  const report: DemoReport = { ...nothingYet };
  const before = await snapshot(lab.laptop);
  const capture = await captureLink(lab.laptop, lab.devices.laptop, gateway, join(stage.folder, 'link.pcap'));
  let problem: string | undefined;
  let firstAnswerAt = Number.NaN;
  let upFrom = Number.POSITIVE_INFINITY;
  let downAt: number | undefined;
  try {
    hooks.checkpoint();
    hooks.say(`connecting to ${lab.addresses.names.gateway} through the NAT`);
    await must(stage.cli('--json', 'up', stage.profile, '--timeout', '30'), 'up');
    firstAnswerAt = Number((await ask(stage, { do: 'connect', host: lab.addresses.intranet.web4, port: PAGE_PORT })).at);
    const status = JSON.parse(await must(stage.cli('--json', 'status'), 'status')) as Status;
    // From when the helper itself said that the tunnel stands, its host part included: what crosses the link from now on must be ours.
    upFrom = status.since;
    describe(status, report);
    hooks.done(`connected, virtual address ${status.virtualIps.join(' and ')}`);
    await look(stage, status.virtualIps, report, hooks);
    await measure(stage, report, hooks);
    downAt = await hooks.whileUp?.(stage);
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  const upUntil = downAt ?? Date.now();
  hooks.say('disconnecting and comparing the laptop with before');
  const down = await stage.cli('--json', 'down');
  if (down.code !== 0) problem ??= `down: ${down.stdout}${down.stderr}`.trim();
  const leakReport = await capture.finish().then(
    (frames) => judge(frames, addressOctets(gateway), upFrom, upUntil),
    (error: Error) => {
      problem ??= error.message;
      return undefined;
    },
  );
  // A capture without IKE was not on the link the tunnel uses, and its silence proves nothing.
  if (report.connected && leakReport?.firstIkeAt !== undefined) {
    report.leaks = leakReport.leaks;
    report.connectMs = rounded(firstAnswerAt - leakReport.firstIkeAt);
  }
  const leftovers = differences(before, await snapshot(lab.laptop));
  report.cleanAfter = leftovers.length === 0;
  return { report, leftovers, leakReport, problem };
}

function describe(status: Status, report: DemoReport): void {
  const [child] = status.children;
  report.connected = status.state === 'connected';
  report.natDetected = status.nat?.local === true;
  report.virtualIp = status.virtualIps[0]?.replace(/\/\d+$/, '') ?? null;
  const words = (...parts: (string | undefined)[]): string => parts.filter((part) => part !== undefined).join('/');
  const cipher = (name: string, bits: number | undefined): string => (bits === undefined ? name : `${name}-${bits}`);
  if (status.ike) {
    const { encr, keyLength, integ, prf, ke } = status.ike;
    report.ikeProposal = words(cipher(encr, keyLength), integ, prf, ke);
  }
  if (child) report.espProposal = words(cipher(child.encr, child.keyLength), child.integ, child.esn ? 'ESN' : 'NO_ESN');
}

/** Name, page, ping. */
async function look(stage: Stage, virtualIps: readonly string[], report: DemoReport, hooks: VisitHooks): Promise<void> {
  const { addresses, laptop } = stage.lab;
  const { intranet } = addresses.names;
  hooks.checkpoint();
  hooks.say(`asking the office's name server for ${intranet}`);
  // A fresh program and the system's resolver, as any other program on the laptop would ask.
  const looked = await laptop.exec(['getent', 'ahostsv4', intranet], { timeoutMs: ANSWER_WITHIN_MS });
  const found = /^(\S+)/.exec(looked.stdout)?.[1];
  if (found !== addresses.intranet.web4) throw new Error(`${intranet} was resolved to ${found ?? 'nothing'}`);
  report.dns = found;
  hooks.done(`${intranet} is ${found}`);
  hooks.checkpoint();
  hooks.say('opening the intranet page');
  for (const family of [4, 6] as const) {
    const fetched = await ask(stage, { do: 'fetch', url: `http://${intranet}/`, family });
    const title = /<title>([^<]*)<\/title>/.exec(String(fetched.body))?.[1];
    const seenAs = /<code>([^<]*)<\/code>/.exec(String(fetched.body))?.[1];
    if (fetched.status !== 200 || title !== INTRANET_TITLE) throw new Error(`no intranet page over IPv${family}`);
    // The page says who asked: only the tunnel makes that a virtual address.
    if (!virtualIps.some((ip) => ip.replace(/\/\d+$/, '') === seenAs)) throw new Error(`the office sees ${seenAs}`);
    report.page = title;
  }
  hooks.done(`“${report.page}”, over IPv4 and IPv6`);
  hooks.checkpoint();
  hooks.say('pinging the intranet');
  const ping = ['ping', '-n', '-i', '0.05', '-c', String(PINGS), '-W', '2', addresses.intranet.web4];
  const pinged = await must(laptop.exec(ping, { timeoutMs: ANSWER_WITHIN_MS }), 'ping');
  const times = [...pinged.matchAll(/time=([\d.]+)/g)].map((match) => Number(match[1])).sort((a, b) => a - b);
  report.pingMs = times[times.length >> 1] ?? null;
  hooks.done(`${report.pingMs} ms`);
}

async function measure(stage: Stage, report: DemoReport, hooks: VisitHooks): Promise<void> {
  const host = stage.lab.addresses.intranet.web4;
  for (const way of ['up', 'down'] as const) {
    hooks.checkpoint();
    hooks.say(`measuring throughput ${way === 'up' ? 'to' : 'from'} the office`);
    const measured = await ask(stage, { do: way, host, port: THROUGHPUT_PORT, milliseconds: hooks.throughputMs });
    const mbit = Math.round(Number(measured.mbit));
    report[way === 'up' ? 'mbitUp' : 'mbitDown'] = mbit;
    hooks.done(`${mbit} Mbit/s`);
  }
}

/** One answer of the visitor. Throws with its error. */
async function ask(stage: Stage, command: Command): Promise<Line> {
  stage.visitor.send({ ...command });
  const answer = await stage.visitor.next(() => true, (command.milliseconds ?? 0) + ANSWER_WITHIN_MS);
  if (answer.error !== undefined) throw new Error(`${command.do}: ${String(answer.error)}`);
  return answer;
}

async function must(running: ReturnType<Stage['cli']>, what: string): Promise<string> {
  const { code, stdout, stderr } = await running;
  if (code !== 0) throw new Error(`${what}: ${`${stdout}${stderr}`.trim()} (exit code ${code})`);
  return stdout;
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
