/** A UDP socket that the monitor opened, for a few messages; what carries data is the dataplane's. */
import { createSocket, type Socket } from 'node:dgram';

/** The descriptor is the socket's from here on. */
export function adopt(family: 4 | 6, fd: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    socket.once('error', reject);
    socket.bind({ fd }, () => {
      socket.removeListener('error', reject);
      resolve(socket);
    });
  });
}
