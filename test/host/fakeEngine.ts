/**
 * An engine that only passes on: a connection to the RPC socket is one line of JSON, an order, and its outcome. It drops its
 * privileges as the real one does and ends when the monitor's socket closes.
 */
import { once } from 'node:events';
import { closeSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { parseArgs } from 'node:util';
import { connectMonitor } from '../../core/helper/monitorClient.ts';
import { ENGINE_MONITOR_FD, ENGINE_RPC_FD, MONITOR_MESSAGE_MAX, type TunOffload } from '../../core/helper/monitorContract.ts';
import { dropPrivileges } from '../../core/helper/privileges.ts';
import { connectTcp } from '../../core/helper/tcpConnection.ts';
import { MessageEnd } from '../../core/system/linux/channel.ts';
import { localEndpoint } from '../../core/system/linux/udp.ts';
import type { HostPlan } from '../../core/system/ports.ts';

const { values } = parseArgs({ strict: false, options: { 'engine-uid': { type: 'string' }, 'engine-gid': { type: 'string' } } });
const monitor = connectMonitor(ENGINE_MONITOR_FD, () => undefined);
const server = createServer((socket) => {
  let text = '';
  socket.on('error', () => undefined);
  socket.on('data', async (data) => {
    text += String(data);
    if (!text.endsWith('\n')) return;
    const started = performance.now();
    const answer = await obey(JSON.parse(text));
    socket.write(`${JSON.stringify({ answer, ms: performance.now() - started })}\n`);
  });
});
server.listen({ fd: ENGINE_RPC_FD });
await once(server, 'listening');
const dropped = dropPrivileges(Number(values['engine-uid']), Number(values['engine-gid']));
if (!dropped.ok) throw new Error(dropped.error.detail);
monitor.onClosed(() => process.exit(0));
process.on('SIGTERM', () => process.exit(0));

const held: number[] = [];

interface Order {
  readonly do: string;
  readonly mtu?: number;
  readonly offload?: TunOffload;
  readonly queues?: number;
  readonly family?: 4 | 6;
  readonly port?: number;
  readonly address?: string;
  readonly ports?: readonly number[];
  readonly within?: number;
  readonly plan?: HostPlan;
  readonly text?: string;
}

async function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case 'who':
      return {
        pid: process.pid,
        status: readFileSync('/proc/self/status', 'utf8'),
        args: process.argv.slice(2),
        env: process.env,
      };
    case 'open-tun': {
      const { mtu = 1400, offload, queues } = order;
      const opened = await monitor.openTun(mtu, { offload, queues });
      if (opened.ok) held.push(...opened.value.fds);
      return opened;
    }
    case 'bind-udp': {
      const bound = await monitor.bindUdp(order.family ?? 4, order.port ?? 0);
      if (!bound.ok) return bound;
      held.push(bound.value.fd);
      return { ...bound, name: localEndpoint(bound.value.fd) };
    }
    case 'connect-tcp': {
      const { address = '', ports = [] } = order;
      const tcp = { connectTcp: monitor.connectTcp, closeDescriptor: closeSync };
      const connected = await connectTcp(tcp, address, ports, AbortSignal.timeout(order.within ?? 20_000));
      if (connected.ok) held.push(connected.value.fd);
      return connected;
    }
    case 'close':
      for (const fd of held.splice(0)) closeSync(fd);
      return 'closed';
    case 'apply':
      return order.plan === undefined ? 'no plan' : monitor.apply(order.plan);
    case 'revert':
      return monitor.revert();
    case 'raw':
      // Around the client: what a taken-over engine could say. The answer, if any, is the client's to be confused by.
      return new MessageEnd(ENGINE_MONITOR_FD, 2 * MONITOR_MESSAGE_MAX).send(Buffer.from(order.text ?? ''));
    default:
      return 'unknown order';
  }
}
