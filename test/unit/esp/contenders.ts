/** Every backend this machine can have, each instruction set of libipsec-mb on its own, and why not where it cannot. */
import type { EspBackend } from '../../../core/crypto/espCipher.ts';
import { evpBackend } from '../../../core/crypto/evp/esp.ts';
import { ipsecMbVariant } from '../../../core/crypto/ipsecMb/esp.ts';
import { gcmVariants, has, processorFlags } from '../../../core/crypto/ipsecMb/variants.ts';
import { nobleEspBackend } from '../../../core/crypto/noble/esp.ts';
import { nodeEspBackend } from '../../../core/crypto/node/esp.ts';

export interface Contender {
  readonly name: string;
  /** Or why it is not here. */
  readonly backend: EspBackend | string;
}

const flags = processorFlags();

export const contenders: readonly Contender[] = [
  ...gcmVariants.map((variant) => ({
    name: `ipsec-mb ${variant.suffix}`,
    backend: has(flags, variant) ? ipsecMbVariant(variant) : 'this processor lacks the instructions',
  })),
  { name: 'evp', backend: evpBackend() },
  { name: 'node:crypto', backend: nodeEspBackend },
  { name: 'noble', backend: nobleEspBackend },
];
