/** `SIM_MUTANT=NAME node --import ./test/sim/mutant.ts …`: core/ with a bug of mutants.ts in it. */
import { changeSources } from '../lab/changedSource.ts';
import { mutants } from './mutants.ts';

const mutant = mutants[process.env.SIM_MUTANT ?? ''];
if (!mutant) throw new Error(`no mutant "${process.env.SIM_MUTANT}"`);

changeSources([mutant]);
