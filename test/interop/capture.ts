/** Packets of a link, captured by tcpdump and judged by tshark. Debian packages: ethtool, tcpdump, tshark. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { addresses } from '../lab/addresses.ts';
import { runs } from '../lab/daemon.ts';
import { type Namespace, run } from '../lab/namespace.ts';

export interface Judgement {
  readonly frames: number;
  readonly ike: number;
  readonly esp: number;
  /** ESP packets whose ICV tshark computed and found right. */
  readonly icvGood: number;
  /** IKE_AUTH messages with a readable AUTH payload inside SK; a repeated one counts again. */
  readonly ikeAuthRequests: number;
  readonly ikeAuthAnswers: number;
  /** INFORMATIONAL messages whose SK payload was decrypted. */
  readonly informationalDecrypted: number;
  /** Echo requests and answers found inside ESP. */
  readonly pings: number;
  /** Frames with malformed parts or expert items of severity error, each with what tshark says. */
  readonly complaints: readonly string[];
}

/** An IP packet with an IKE message, or with the first piece of one that IP split. */
export interface IkePacket {
  readonly from: string;
  /** Of the IP packet. */
  readonly octets: number;
  readonly exchange: number;
  /** An SKF payload (RFC 7383). */
  readonly fragment: boolean;
  /** IP has split it. */
  readonly split: boolean;
}

/** The discard service (RFC 863): nobody answers on the laptop's link but the router, by ICMP. */
const SKF = 53;
const MARKER_PORT = 9;
const MARKER = 'sallyport capture ends here';
const TABLES = ['ikev2_decryption_table', 'esp_sa'];

export class Capture {
  readonly #namespace: Namespace;
  readonly #tcpdump: ChildProcess;
  readonly #folder: string;

  private constructor(namespace: Namespace, tcpdump: ChildProcess, folder: string) {
    this.#namespace = namespace;
    this.#tcpdump = tcpdump;
    this.#folder = folder;
  }

  /** IKE and ESP in UDP on the device; resolves when tcpdump listens. */
  static async start(namespace: Namespace, device: string): Promise<Capture> {
    // Runs of datagrams would be captured as the one packet that the kernel carries them in; on a wire they are many.
    await namespace.must(['ethtool', '-K', device, 'tx-udp-segmentation', 'off']);
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-capture-'));
    const argv = [
      'tcpdump',
      '-Z',
      'root',
      '-n',
      '-U',
      '--immediate-mode',
      '-B',
      '8192',
      '-i',
      device,
      '-w',
      join(folder, 'link.pcap'),
      `udp port 500 or udp port 4500 or udp port ${MARKER_PORT}`,
    ];
    const tcpdump = namespace.spawn(argv, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    await new Promise<void>((resolve, reject) => {
      tcpdump.stderr?.on('data', (data: Buffer) => {
        said += data.toString();
        if (said.includes('listening on')) resolve();
      });
      tcpdump.once('exit', () => reject(new Error(`tcpdump ended: ${said}`)));
    });
    return new Capture(namespace, tcpdump, folder);
  }

  /** Ends it when all that passed until now is in the file: a marker sent last is waited for. */
  async end(): Promise<void> {
    const program = `require('dgram').createSocket('udp4').send('${MARKER}', ${MARKER_PORT}, '${addresses.router.lan4}', () => process.exit())`;
    await this.#namespace.must([process.execPath, '-e', program]);
    while (!readFileSync(join(this.#folder, 'link.pcap')).includes(MARKER)) await sleep(20);
    await this.#stop();
  }

  async #stop(): Promise<void> {
    const ended = once(this.#tcpdump, 'exit');
    this.#tcpdump.kill('SIGINT');
    await ended;
  }

  /** `keys` holds Wireshark's tables, as the helper's `--key-log` writes them. */
  async judge(keys: string): Promise<Judgement> {
    for (const table of TABLES) {
      if (!existsSync(join(keys, table))) throw new Error(`the helper wrote no ${table}`);
      copyFileSync(join(keys, table), join(this.#folder, table));
    }
    const count = async (filter: string): Promise<number> => (await this.#frames(filter)).length;
    return {
      frames: await count('frame'),
      ike: await count('isakmp'),
      esp: await count('esp'),
      icvGood: await count('esp.icv_good == 1'),
      ikeAuthRequests: await count('isakmp.exchangetype == 35 && isakmp.auth.method && isakmp.flag_r == 0'),
      ikeAuthAnswers: await count('isakmp.exchangetype == 35 && isakmp.auth.method && isakmp.flag_r == 1'),
      informationalDecrypted: await count('isakmp.exchangetype == 37 && isakmp.enc.decrypted'),
      pings: await count('esp && (icmp.type == 8 || icmp.type == 0 || icmpv6.type == 128 || icmpv6.type == 129)'),
      complaints: await this.#frames('_ws.malformed || _ws.expert.severity == error'),
    };
  }

  async ikePackets(): Promise<readonly IkePacket[]> {
    const fields = [
      'ip.src',
      'ipv6.src',
      'ip.len',
      'ipv6.plen',
      'ip.flags.mf',
      'ipv6.fraghdr.more',
      'isakmp.exchangetype',
      'isakmp.nextpayload',
    ];
    // Pieces are not put together: each packet is what it is.
    const argv = ['-r', join(this.#folder, 'link.pcap'), '-o', 'ip.defragment:FALSE', '-o', 'ipv6.defragment:FALSE'];
    argv.push('-Y', 'isakmp', '-T', 'fields', ...fields.flatMap((field) => ['-e', field]), '-E', 'occurrence=f');
    const read = await run('tshark', argv, { timeoutMs: 60_000 });
    if (read.code !== 0) throw new Error(`tshark: ${read.stderr}`);
    return read.stdout.split('\n').flatMap((line): IkePacket[] => {
      const [v4 = '', v6 = '', length4 = '', length6 = '', more4 = '', more6 = '', exchange = '', next = ''] = line.split('\t');
      if (exchange === '') return [];
      const octets = v4 === '' ? Number(length6) + 40 : Number(length4);
      const split = [more4, more6].some((flag) => flag === '1' || flag === 'True');
      return [{ from: v4 === '' ? v6 : v4, octets, exchange: Number(exchange), fragment: Number(next) === SKF, split }];
    });
  }

  async discard(): Promise<void> {
    if (runs(this.#tcpdump)) await this.#stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** One line for each frame that matches. */
  async #frames(filter: string): Promise<string[]> {
    const preferences = ['esp.enable_encryption_decode:TRUE', 'esp.enable_authentication_check:TRUE'].flatMap((each) => [
      '-o',
      each,
    ]);
    const fields = ['frame.number', '_ws.col.Info', '_ws.expert.message'].flatMap((field) => ['-e', field]);
    const argv = ['-r', join(this.#folder, 'link.pcap'), ...preferences, '-2', '-R', filter, '-T', 'fields', ...fields];
    const read = await run('tshark', argv, { env: { ...process.env, WIRESHARK_CONFIG_DIR: this.#folder }, timeoutMs: 60_000 });
    if (read.code !== 0) throw new Error(`tshark: ${read.stderr}`);
    return read.stdout.split('\n').filter((line) => line !== '');
  }
}
