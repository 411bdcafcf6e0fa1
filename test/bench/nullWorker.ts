/**
 * The dataplane's threads without cryptography, to see what the loop around it costs. Packets have the shape of AES-GCM's; what would
 * be encrypted stays as it is, and every ICV counts as right. Exists for the bench alone.
 */
import type { EspBackend, EspCipher } from '../../core/crypto/espCipher.ts';
import { runLane } from '../../core/dataplane/laneLoop.ts';

class NullCipher implements EspCipher {
  readonly backend = 'null';
  readonly ivBytes = 8;
  readonly icvBytes = 16;
  readonly alignment = 4;
  readonly unpredictableIv = false;

  seal(): void {}

  open(): boolean {
    return true;
  }

  destroy(): void {}
}

const nullBackend: EspBackend = { name: 'null', cipher: () => new NullCipher() };

runLane({ backend: nullBackend });
