/** A private key in the key agent, as a connection uses it. */
import { err, ok, type Result } from '../bytes/result.ts';
import type { OpenKey } from './attempts.ts';
import type { KeyAgent, KeyAgentFault } from './keyAgentClient.ts';

/** `pkcs8` is wiped. */
export async function openAgentKey(agent: KeyAgent, pkcs8: Uint8Array): Promise<Result<OpenKey, string>> {
  const loaded = await agent.load(pkcs8);
  if (!loaded.ok) return err(words(loaded.error));
  const key = loaded.value;
  return ok({
    info: key.info,
    async sign(algorithm, octets) {
      const signed = await agent.sign(key, algorithm, octets);
      return signed.ok ? signed : err(words(signed.error));
    },
    openTls: (options, chain) => agent.openTls(key, options, chain),
    close: () => agent.forget(key),
  });
}

function words({ code, detail }: KeyAgentFault): string {
  return detail === '' ? code : `${code}: ${detail}`;
}
