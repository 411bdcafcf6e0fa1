/** A peer that says hello and never goes on: one IKE_SA_INIT request, written by hand so that it depends on nothing under test. */
import { randomBytes } from 'node:crypto';
import type { Namespace } from '../lab/namespace.ts';

/** Sends it from the namespace to the gateway's port 500 and waits for the answer. Throws when none comes. */
export async function openHalf(from: Namespace, gateway: string): Promise<void> {
  const program = `
    const socket = require('dgram').createSocket('udp4');
    socket.on('message', () => process.exit(0));
    socket.send(Buffer.from(process.argv[1], 'hex'), 500, process.argv[2]);
    setTimeout(() => process.exit(1), 5000);`;
  await from.must([process.execPath, '-e', program, initRequest().toString('hex'), gateway]);
}

/** RFC 7296 §3.1–3.4, §3.9: AES-GCM-16 with 256 bits, PRF_HMAC_SHA2_384, then ECP_256, ECP_384 and Curve25519; the key share is of the last. */
function initRequest(): Buffer {
  const transform = (last: boolean, type: number, id: number, attribute: readonly number[] = []): number[] => {
    return [last ? 0 : 3, 0, 0, 8 + attribute.length, type, 0, 0, id, ...attribute];
  };
  const transforms = [
    ...transform(false, 1, 20, [0x80, 0x0e, 1, 0]),
    ...transform(false, 2, 6),
    ...transform(false, 4, 19),
    ...transform(false, 4, 20),
    ...transform(true, 4, 31),
  ];
  const proposal = [0, 0, 0, 8 + transforms.length, 1, 1, 0, 5, ...transforms];
  const payload = (next: number, body: readonly number[]): number[] => [next, 0, 0, 4 + body.length, ...body];
  const body = [
    ...payload(34, proposal),
    // Any octets are a point of Curve25519.
    ...payload(40, [0, 31, 0, 0, ...randomBytes(32)]),
    ...payload(0, [...randomBytes(32)]),
  ];
  const header = [...randomBytes(8), ...new Array<number>(8).fill(0), 33, 0x20, 34, 0x08, 0, 0, 0, 0, 0, 0, 0, 28 + body.length];
  return Buffer.from([...header, ...body]);
}
