/**
 * Every attack of SECURITY.md 1–13 and 16 (test/gateway/attacks.ts) through the real helper and the real command line: the reason that the user
 * is told, what the attacker has learned, and that nothing is left on the computer.
 */
import { after, before, describe, test } from 'node:test';
import type { Attack } from '../gateway/attack.ts';
import { sentences } from '../gateway/attacks.ts';
import { AttackScene } from './attackScene.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root: network namespaces';
/** Labs at the same time: most of an attack is waiting. */
const SCENES = 4;

const honest: Attack = { by: [], told: 'connected', hears: 'proof', client: 'stored' };
const scenes: AttackScene[] = [];
const free: AttackScene[] = [];
const waiting: ((scene: AttackScene) => void)[] = [];

async function inScene(use: (scene: AttackScene) => Promise<void>): Promise<void> {
  const scene = free.shift() ?? (await new Promise<AttackScene>((resolve) => waiting.push(resolve)));
  try {
    await use(scene);
  } finally {
    const next = waiting.shift();
    if (next) next(scene);
    else free.push(scene);
  }
}

describe('the attacks of SECURITY.md', { skip, concurrency: SCENES }, () => {
  before(async () => {
    const opened = await Promise.allSettled(Array.from({ length: SCENES }, () => AttackScene.open()));
    for (const one of opened) if (one.status === 'fulfilled') scenes.push(one.value);
    for (const one of opened) if (one.status === 'rejected') throw one.reason;
    free.push(...scenes);
  });
  after(async () => {
    // After all of that the honest office is reached.
    const ended = await Promise.allSettled(scenes.map((scene) => scene.suffer(honest).finally(() => scene.close())));
    for (const one of ended) if (one.status === 'rejected') throw one.reason;
  });

  for (const { line, sentence, attacks } of sentences) {
    for (const attack of attacks) {
      const { by, client, told } = attack;
      const who = by.length === 0 ? 'an honest office' : by.join(' + ');
      test(`${line} ${sentence}: ${who}, client “${client}”: ${told}`, () => inScene((scene) => scene.suffer(attack)));
    }
  }
});
