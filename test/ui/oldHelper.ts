/** A helper of another version, the one thing in these tests that is not the real one: there is only one version of that. */
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { MAX_FRAME } from '../../core/rpc/contract.ts';
import { createFrameDecoder, decodeFrame, encodeFrame } from '../../core/rpc/framing.ts';

export interface OldHelper {
  readonly socket: string;
  stop(): Promise<void>;
}

/** Answers every hello as a helper that speaks `protocol` does. */
export async function startOldHelper(socket: string, protocol: number): Promise<OldHelper> {
  const server = createServer((connection) => {
    const decoder = createFrameDecoder(MAX_FRAME);
    connection.on('error', () => {});
    connection.on('data', (piece) => {
      decoder.push(typeof piece === 'string' ? Buffer.from(piece) : piece, (frame) => {
        const message = decodeFrame(frame);
        const id = typeof message === 'object' && message !== null && 'id' in message ? message.id : 0;
        const detail = `the helper speaks protocol ${protocol}, the client another`;
        const answer = encodeFrame({ id, error: { code: 'helper-version', detail } });
        if (answer !== undefined) connection.end(answer);
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    socket,
    stop: async () => {
      await new Promise((resolve) => server.close(resolve));
      rmSync(socket, { force: true });
    },
  };
}
