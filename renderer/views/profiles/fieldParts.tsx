/** How the form shows a field: by its name in the draft, with what the helper says of it, and locked where the administrator locked it. */
import Lock from 'lucide-react/icons/lock';
import TriangleAlert from 'lucide-react/icons/triangle-alert';
import type { ReactElement, ReactNode } from 'react';
import type { ProfileView } from '../../../core/rpc/contract.ts';
import { Select, Switch, TextField } from '../../components/fields.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import type { Draft, FieldName, Problem } from './form.ts';
import type { DraftState } from './useDraft.ts';

type ChoiceName = 'whenLost' | 'tcp' | 'fragmentation';
type Choices = ChoiceName | 'traffic' | 'localPort' | 'auth' | 'gatewayMethod' | 'revocation';
export type TextName = Exclude<{ [K in keyof Draft]: Draft[K] extends string ? K : never }[keyof Draft], Choices>;
export type FlagName = 'ipv4' | 'ipv6' | 'dns' | 'systemRoots' | 'commonName' | 'mobike' | 'ppkRequired';

export interface TextOptions {
  readonly description?: ReactNode;
  readonly rows?: number;
  readonly technical?: boolean;
  readonly placeholder?: string;
  readonly numeric?: boolean;
  readonly required?: boolean;
  readonly hidden?: boolean;
  /** What else changes with it. */
  readonly change?: (value: string) => Partial<Draft>;
}

export interface Fields {
  text(name: TextName, field: FieldName, options?: TextOptions): ReactElement;
  toggle(name: FlagName, field: FieldName): ReactElement;
  /** One of few, each below `choice` by its name. */
  choice<K extends ChoiceName>(name: K, ids: readonly Draft[K][]): ReactElement;
  error(field: FieldName): string | undefined;
  isLocked(field: FieldName): boolean;
}

export function useFields(state: DraftState, edited: ProfileView | undefined): Fields {
  const { t } = useTranslation('profiles');
  const { draft, change } = state;
  const problemText = useProblemText();
  // A lock of `trust` is one of all that is below it.
  const isLocked = (field: FieldName) => edited?.locked.some((name) => name === field || field.startsWith(`${name}.`)) ?? false;
  const error = (field: FieldName) => {
    const problem = state.problemOf(field);
    return problem && problemText(problem, field);
  };
  const described = (field: FieldName, description?: ReactNode) => (isLocked(field) ? <LockedNote /> : description);
  return {
    isLocked,
    error,
    text: (name, field, more = {}) => (
      <div data-field={field}>
        <TextField
          label={t(`fields.${name}`)}
          value={draft[name]}
          onChange={(value) => change(more.change?.(value) ?? { [name]: value }, field)}
          error={error(field)}
          isReadOnly={isLocked(field)}
          isRequired={more.required ?? false}
          description={described(field, more.description)}
          {...(more.rows !== undefined && { rows: more.rows })}
          {...(more.hidden && { type: 'password' as const })}
          {...(more.placeholder !== undefined && { placeholder: more.placeholder })}
          {...(more.numeric && { inputMode: 'numeric' as const })}
          technical={more.technical ?? false}
          autoComplete="off"
          data-test={`field-${name}`}
        />
      </div>
    ),
    choice: (name, ids) => {
      const label = t(`fields.${name}`);
      // The compiler knows each name with its own ids, not all of them at once.
      const words = (id: Draft[typeof name]) => t(`choice.${name}.${id}` as 'choice.tcp.auto');
      return (
        <div data-field={name}>
          {isLocked(name) ? (
            <LockedValue label={label}>{words(draft[name])}</LockedValue>
          ) : (
            <Select
              label={label}
              description={t(`help.${name}`)}
              options={ids.map((id) => ({ id, label: words(id) }))}
              value={draft[name]}
              onChange={(chosen) => change({ [name]: chosen }, name)}
              data-test={`field-${name}`}
            />
          )}
          <Problems text={error(name)} />
        </div>
      );
    },
    toggle: (name, field) => (
      <div data-field={field}>
        <Switch
          label={t(`fields.${name}`)}
          description={described(field, t(`help.${name}`))}
          isSelected={draft[name]}
          isDisabled={isLocked(field)}
          onChange={(on) => change({ [name]: on }, field)}
          data-test={`field-${name}`}
        />
        <Problems text={error(field)} />
      </div>
    ),
  };
}

type RangeField = 'mtu' | 'natKeepalive' | 'liveness' | 'gatewayPorts' | 'rekeyChild' | 'rekeyIke' | 'reauthenticateEvery';

/** In the language of the window; a code that is newer than the window has the helper's own words. */
function useProblemText(): (problem: Problem, field: FieldName) => string {
  const { t, exists } = useTranslation('profiles');
  const isRange = (field: FieldName): field is RangeField => exists(`range.${field}`);
  return ({ code, message }, field) => {
    if (code === 'out-of-range') {
      return isRange(field) ? t(`range.${field}`) : message;
    }
    return exists(`problems.${code}`) ? t(`problems.${code}`) : message;
  };
}

function LockedNote(): ReactElement {
  const { t } = useTranslation('profiles');
  return (
    <span className="profile-locked">
      <Lock size={14} aria-hidden />
      <span>{t('lockedField')}</span>
    </span>
  );
}

export function LockedValue({ label, children }: { readonly label: string; readonly children: ReactNode }): ReactElement {
  return (
    <div className="field">
      <span>{label}</span>
      <span className="locked-value">{children}</span>
      <span className="small soft">
        <LockedNote />
      </span>
    </div>
  );
}

export function Problems({ text }: { readonly text: string | undefined }): ReactElement | null {
  return text === undefined ? null : (
    <p className="field-error" role="alert">
      {text}
    </p>
  );
}

export function FieldWarning({ text }: { readonly text: string }): ReactElement {
  return (
    <span className="profile-warning">
      <TriangleAlert size={14} aria-hidden />
      <span>{text}</span>
    </span>
  );
}
