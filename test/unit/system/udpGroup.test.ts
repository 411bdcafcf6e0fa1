import assert from 'node:assert/strict';
import { test } from 'node:test';
import { datagramBatch } from '../../../core/dataplane/datagrams.ts';
import { plainMemory } from '../../../core/ip/packetMemory.ts';
import { close } from '../../../core/system/ffi/libc.ts';
import { packSockaddr } from '../../../core/system/linux/sockaddr.ts';
import { LinuxUdp, openUdp, prepareUdp } from '../../../core/system/linux/udp.ts';
import { openUdpGroup } from '../../../core/system/linux/udpGroup.ts';
import { datagramsOf, fillDatagrams } from './datagrams.ts';

for (const family of [4, 6] as const) {
  test(`IPv${family}: a group of sockets shares a port, and the SPI says which of them receives`, () => {
    const memory = plainMemory(1 << 20);
    const address = family === 4 ? '127.0.0.1' : '::1';
    const group = openUdpGroup({ family, port: 0, address }, 3);
    const sender = openUdp({ family, port: 0, address });
    assert(group.ok && sender.ok);
    const members = group.value.fds.map((fd) => new LinuxUdp(fd, prepareUdp(fd, family)));
    const out = new LinuxUdp(sender.value.fd, prepareUdp(sender.value.fd, family));
    const to = packSockaddr({ address, port: group.value.port });
    assert(to !== undefined);
    const datagrams = [
      Uint8Array.of(0, 0, 0, 0, 0x2e, 1), // IKE
      Uint8Array.of(0xff), // keepalive
      ...Array.from({ length: 30 }, (_, i) => Uint8Array.of(0xc0 + i, i * 11, i * 7, i * 3, i)),
    ];
    for (const bytes of datagrams) {
      const batch = datagramBatch(1, 0, 1000);
      fillDatagrams(memory, batch, [{ bytes }]);
      assert.equal(out.send(memory, batch, to), 1);
    }
    const got = members.map((member) => {
      const batch = datagramBatch(64, 100_000, 1000);
      member.receive(memory, batch);
      return datagramsOf(memory, batch);
    });
    const indexOf = (bytes: Uint8Array): number => (bytes.length < 4 ? 0 : Buffer.from(bytes).readUInt32BE(0) % 3);
    const wanted = members.map((_, index) => datagrams.filter((bytes) => indexOf(bytes) === index));
    assert.deepEqual(got, wanted);
    assert(wanted.every((list) => list.length > 2));
    // The port is not open to whoever did not ask to share it.
    assert(!openUdp({ family, port: group.value.port, address }).ok);
    for (const fd of [...group.value.fds, sender.value.fd]) close(fd);
    const again = openUdp({ family, port: group.value.port, address });
    assert(again.ok, 'nothing was left open');
    close(again.value.fd);
  });
}

test('a group whose port is taken opens nothing', () => {
  const one = openUdp({ family: 4, port: 0, address: '127.0.0.1' });
  assert(one.ok);
  const group = openUdpGroup({ family: 4, port: one.value.port, address: '127.0.0.1' }, 2);
  assert(!group.ok);
  assert.equal(group.error.code, 'port-in-use');
  close(one.value.fd);
});
