/** Wireshark's dissectors as independent judges of what we put on the wire, with the keys we exported. */
import assert from 'node:assert/strict';
import { addresses } from '../../lab/addresses.ts';
import { Capture } from '../capture.ts';
import type { Case, World } from '../world.ts';

async function judge(world: World, ike: string, esp: string, inside: string): Promise<string> {
  await world.configure({ ikeProposals: ike, espProposals: esp });
  const capture = await Capture.start(world.lab.laptop, world.lab.devices.laptop);
  try {
    await world.connect();
    await world.ping(inside);
    await world.carry(0.05, inside);
    await world.disconnect();
    await capture.end();
    const judged = await capture.judge(world.client.keyLog);
    assert.deepEqual(judged.complaints, [], 'malformed packets or errors');
    assert.ok(judged.ikeAuthRequests >= 1 && judged.ikeAuthAnswers >= 1, 'AUTH payloads of request and answer were read');
    assert.ok(judged.informationalDecrypted >= 2, 'the DELETE and its answer were read');
    // Besides echoes that look how large packets may be.
    assert.ok(judged.pings >= 6, 'three pings and answers inside ESP');
    assert.ok(judged.esp > 6, `${judged.esp} ESP packets`);
    assert.equal(judged.icvGood, judged.esp, 'every ICV is right');
    return `${judged.frames} frames: ${judged.ike} IKE, ${judged.esp} ESP, all decrypted, none malformed`;
  } finally {
    await capture.discard();
  }
}

export const captures: readonly Case[] = [
  {
    name: 'tshark/gcm',
    run: (world) => judge(world, 'aes256gcm16-prfsha384-x25519', 'aes256gcm16', addresses.intranet.web4),
  },
  {
    name: 'tshark/cbc-hmac',
    run: (world) => judge(world, 'aes256-sha256-prfsha256-modp2048', 'aes256-sha256', addresses.intranet.web4),
  },
  {
    name: 'tshark/cbc-hmac-sha512-ipv6-inside',
    nat: false,
    run: (world) => judge(world, 'aes128-sha512-prfsha512-ecp256', 'aes128-sha512', addresses.intranet.web6),
  },
  {
    name: 'tshark/gcm-8',
    nat: false,
    run: (world) => judge(world, 'aes128gcm16-prfsha256-ecp384', 'aes128gcm8', addresses.intranet.web4),
  },
];
