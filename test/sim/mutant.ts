/** `SIM_MUTANT=NAME node --import ./test/sim/mutant.ts …`: core/ with a bug of mutants.ts in it. */
import { registerHooks } from 'node:module';
import { mutants } from './mutants.ts';

const mutant = mutants[process.env.SIM_MUTANT ?? ''];
if (!mutant) throw new Error(`no mutant "${process.env.SIM_MUTANT}"`);

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (!url.endsWith(mutant.file)) return loaded;
    const source = String(loaded.source);
    if (!source.includes(mutant.from)) throw new Error(`${mutant.file} has changed: what the mutant is to replace is not there`);
    return { ...loaded, source: source.replace(mutant.from, mutant.to) };
  },
});
