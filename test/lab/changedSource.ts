/** Modules of ours with something in their source replaced, as a `--import` of the process that loads them: what no test can bring about from outside. */
import { registerHooks } from 'node:module';

export interface Change {
  /** How the path ends. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** Loading throws where a source has changed and no longer has what is to be replaced. */
export function changeSources(changes: readonly Change[]): void {
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      const change = changes.find(({ file }) => url.endsWith(file));
      if (!change) return loaded;
      const source = String(loaded.source);
      if (!source.includes(change.from)) throw new Error(`${change.file} has changed: what was to be replaced is not there`);
      return { ...loaded, source: source.replace(change.from, change.to) };
    },
  });
}

/** The module that says so is loaded by the engine, too, which the monitor starts. */
export function alsoInTheEngine(module: string): Change {
  return {
    file: 'core/helper/monitorEngine.ts',
    from: '...LEAN.flags,',
    to: `...LEAN.flags, '--import', ${JSON.stringify(module)},`,
  };
}
