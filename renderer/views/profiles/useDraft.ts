/**
 * The state of the form: what is typed, what the helper says of it (a dry run a moment after each change), and saving. What was typed is kept
 * while the window lives, so that a look at another view costs nothing; keys and passwords are not.
 */
import { useEffect, useRef, useState } from 'react';
import type { ProfileProblem, ProfileSummary, RpcError } from '../../../core/rpc/contract.ts';
import { call } from '../../api.ts';
import { forgetWarnings } from '../../store/warnings.ts';
import { type Draft, type FieldName, firstWithProblem, isChanged, type Problem, prepare, problemsByField } from './form.ts';

/** A pause in typing. */
const DEBOUNCE_MS = 250;

const kept = new Map<string, Draft>();

export interface DraftState {
  readonly draft: Draft;
  readonly changed: boolean;
  /** What was typed before is here again. */
  readonly resumed: boolean;
  readonly saving: boolean;
  readonly error: RpcError | undefined;
  change(part: Partial<Draft>, field: FieldName): void;
  /** What is wrong with a field, once it is fair to say: it was touched, or saving was tried. */
  problemOf(field: FieldName): Problem | undefined;
  /** The saved profile; undefined when there are problems, which then all show. `onProblem` gets the first field with one. */
  save(onProblem: (field: FieldName) => void): Promise<ProfileSummary | undefined>;
  forget(): void;
}

/** `original` is undefined for a new profile; `id` too. */
export function useDraft(id: string | undefined, begin: Draft, original: Draft | undefined): DraftState {
  const key = id ?? 'new';
  const [resumed] = useState(kept.has(key));
  const [draft, setDraft] = useState<Draft>(() => kept.get(key) ?? begin);
  const [touched, setTouched] = useState<ReadonlySet<FieldName>>(() => new Set());
  const [tried, setTried] = useState(false);
  const [found, setFound] = useState<readonly ProfileProblem[]>([]);
  const [saving, setSaving] = useState(false);
  const [error, setError] = useState<RpcError>();
  const asked = useRef(0);
  const prepared = prepare(draft, original);
  const problems = problemsByField(prepared.problems, found);
  const request = { ...(id !== undefined && { profile: id }), fields: prepared.fields };

  useEffect(() => {
    asked.current++;
    const mine = asked.current;
    const timer = setTimeout(() => {
      // A key is looked at whether it fits; what has to be guessed by nobody does not travel at every stroke.
      const { key, keyPassword } = prepared;
      const tried = { ...(key !== undefined && { key }), ...(keyPassword !== undefined && { keyPassword }) };
      void call('profile.save', { ...request, ...tried, dryRun: true }).then((reply) => {
        // An answer about an earlier text says nothing about this one.
        if (mine !== asked.current) return;
        setFound(reply.ok ? reply.value.problems : []);
        setError(reply.ok ? undefined : reply.error);
      });
    }, DEBOUNCE_MS);
    return () => clearTimeout(timer);
  }, [draft]);

  return {
    draft,
    changed: original === undefined ? JSON.stringify(draft) !== JSON.stringify(begin) : isChanged(prepared),
    resumed,
    saving,
    error,
    change(part, field) {
      const next = { ...draft, ...part };
      setDraft(next);
      kept.set(key, { ...next, secret: '', password: '', key: '', keyPassword: '', ppk: '' });
      setTouched((before) => (before.has(field) ? before : new Set([...before, field])));
    },
    problemOf(field) {
      const problem = problems.get(field);
      if (!problem) return undefined;
      // Nobody is told off for a field not reached yet.
      return tried || touched.has(field) || problem.code !== 'required' ? problem : undefined;
    },
    async save(onProblem) {
      setTried(true);
      asked.current++;
      const own = firstWithProblem(problemsByField(prepared.problems, []));
      if (own) {
        onProblem(own);
        return undefined;
      }
      setSaving(true);
      const { secret, forgetSecret, password, forgetPassword, key: ownKey, keyPassword, ppk } = prepared;
      const reply = await call('profile.save', {
        ...request,
        forgetSecret,
        forgetPassword,
        ...(secret !== undefined && { secret }),
        ...(password !== undefined && { password }),
        ...(ppk !== undefined && { ppk }),
        ...(ownKey !== undefined && { key: ownKey }),
        ...(keyPassword !== undefined && { keyPassword }),
      });
      setSaving(false);
      if (!reply.ok) {
        setError(reply.error);
        return undefined;
      }
      setError(undefined);
      setFound(reply.value.problems);
      if (reply.value.profile) {
        kept.delete(key);
        forgetWarnings(reply.value.profile.id);
        return reply.value.profile;
      }
      const first = firstWithProblem(problemsByField([], reply.value.problems));
      if (first) onProblem(first);
      return undefined;
    },
    forget() {
      kept.delete(key);
    },
  };
}
