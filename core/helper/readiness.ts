/**
 * When a connection may be used: its CHILD SAs are in the dataplane, and the host is set up for what they carry. One that is to take the place
 * of another waits for all of its CHILD SAs, because the other has them.
 */
import type { ChildSa } from '../ike/sa/contract.ts';
import type { Failure } from '../rpc/contract.ts';
import { failure } from '../tunnel/explain.ts';

/** How long a connection beside another waits for the CHILD SAs after its first. Milliseconds. */
const WHOLE_WITHIN = 5_000;

export interface ReadinessPorts {
  /** Into the dataplane; rejects with what went wrong. */
  readonly carry: (child: ChildSa, how: Placing) => Promise<unknown>;
  /** Asked once. The host as the CHILD SA that came first wants it. */
  readonly prepareHost: (first: ChildSa) => Promise<Failure | undefined>;
  /** Once. */
  readonly onReady: () => void;
  /** Something was put in place later. */
  readonly onChange: () => void;
  readonly onFailure: (why: Failure) => void;
}

export interface Placing {
  readonly replaces?: number;
  readonly standby?: true;
}

export interface Readiness {
  install(child: ChildSa, how: Placing): Promise<void>;
  /** A CHILD SA that was wanted does not come. */
  refused(): void;
  /** Whoever waits has waited long enough: what is there is used. */
  useWhatIsThere(): void;
  /** Nothing more is begun. Resolves when nothing is on its way into its place. */
  stop(): Promise<void>;
}

/** `missing`: CHILD SAs to come, or to be refused, before it is used. */
export function createReadiness(ports: ReadinessPorts, missing: number): Readiness {
  let first: ChildSa | undefined;
  let host: Promise<Failure | undefined> | undefined;
  let wholeBy: NodeJS.Timeout | undefined;
  let ready = false;
  let stopped = false;
  const underWay = new Set<Promise<void>>();

  /** Both at once: neither waits for the other, and only with both is the tunnel up. */
  async function use(carried?: Promise<unknown>): Promise<void> {
    if (first && missing === 0) host ??= ports.prepareHost(first);
    const prepared = host;
    const [dataplane, applied] = await Promise.allSettled([carried, prepared]);
    if (stopped) return;
    const problem =
      dataplane.status === 'rejected'
        ? failure('dataplane-failed', String(dataplane.reason))
        : applied.status === 'rejected'
          ? failure('internal', String(applied.reason))
          : applied.value;
    if (problem) ports.onFailure(problem);
    else if (prepared === undefined || ready) ports.onChange();
    else {
      clearTimeout(wholeBy);
      ready = true;
      ports.onReady();
    }
  }

  async function track(one: Promise<void>): Promise<void> {
    underWay.add(one);
    await one.finally(() => underWay.delete(one));
  }

  function useWhatIsThere(): void {
    if (missing === 0 || stopped) return;
    missing = 0;
    void track(use());
  }

  return {
    async install(child, how) {
      if (stopped) return;
      const carried = ports.carry(child, how);
      first ??= child;
      if (missing > 0 && how.replaces === undefined) missing--;
      if (missing > 0) wholeBy ??= setTimeout(useWhatIsThere, WHOLE_WITHIN);
      await track(use(carried));
    },
    refused() {
      if (missing === 0 || stopped) return;
      missing--;
      void track(use());
    },
    useWhatIsThere,
    async stop() {
      stopped = true;
      clearTimeout(wholeBy);
      await Promise.allSettled([...underWay]);
    },
  };
}
