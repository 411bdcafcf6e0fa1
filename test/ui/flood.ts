/** Fills the helper's log the honest way: clients that come and go, each a line at level debug with the client's name in it. */
import { connect } from 'node:net';
import { PROTOCOL_VERSION } from '../../core/rpc/contract.ts';
import { encodeFrame } from '../../core/rpc/framing.ts';

const AT_ONCE = 6;

function visit(socket: string, client: string): Promise<void> {
  const hello = encodeFrame({ id: 1, method: 'hello', params: { protocol: PROTOCOL_VERSION, client } });
  return new Promise((done) => {
    const connection = connect({ path: socket });
    connection.on('connect', () => connection.write(hello ?? ''));
    connection.on('data', () => connection.destroy());
    connection.on('error', () => {});
    connection.on('close', () => done());
  });
}

/** `name` says what the n-th of `count` clients calls itself. */
export async function flood(socket: string, count: number, name: (n: number) => string): Promise<void> {
  let next = 0;
  const visitor = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) await visit(socket, name(n));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, visitor));
}
