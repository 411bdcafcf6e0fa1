/** Form fields: a label always, a description and an error when there is one. */

import Check from 'lucide-react/icons/check';
import ChevronDown from 'lucide-react/icons/chevron-down';
import SearchIcon from 'lucide-react/icons/search';
import X from 'lucide-react/icons/x';
import type { ReactElement, ReactNode, Ref } from 'react';
import { Button } from 'react-aria-components/Button';
import { FieldError } from 'react-aria-components/FieldError';
import { Input } from 'react-aria-components/Input';
import { Label } from 'react-aria-components/Label';
import { ListBox, ListBoxItem } from 'react-aria-components/ListBox';
import { Popover } from 'react-aria-components/Popover';
import { SearchField as AriaSearchField } from 'react-aria-components/SearchField';
import { Select as AriaSelect, SelectValue } from 'react-aria-components/Select';
import { Switch as AriaSwitch } from 'react-aria-components/Switch';
import { Text } from 'react-aria-components/Text';
import { TextArea } from 'react-aria-components/TextArea';
import { TextField as AriaTextField } from 'react-aria-components/TextField';

export interface TextFieldProps {
  readonly label: ReactNode;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly description?: ReactNode;
  /** What is wrong; the field is marked invalid while there is one. */
  readonly error?: string | undefined;
  readonly type?: 'text' | 'password' | 'number';
  readonly inputMode?: 'text' | 'numeric';
  /** More than one line. */
  readonly rows?: number;
  readonly isRequired?: boolean;
  readonly isDisabled?: boolean;
  readonly isReadOnly?: boolean;
  readonly autoFocus?: boolean;
  readonly placeholder?: string;
  readonly autoComplete?: string;
  /** Technical text: fixed-width, no spelling help. */
  readonly technical?: boolean;
  readonly onBlur?: () => void;
  readonly 'data-test'?: string;
}

export function TextField(props: TextFieldProps): ReactElement {
  const { label, description, error, rows, placeholder, technical = false, type = 'text', ...rest } = props;
  const look = technical ? 'input fixed' : 'input';
  return (
    <AriaTextField
      {...rest}
      type={rows === undefined ? type : 'text'}
      isInvalid={error !== undefined}
      className="field"
      spellCheck={technical ? 'false' : undefined}
    >
      <Label>{label}</Label>
      {rows === undefined ? (
        <Input className={look} placeholder={placeholder} />
      ) : (
        <TextArea className={look} rows={rows} placeholder={placeholder} />
      )}
      {description !== undefined && (
        <Text slot="description" className="small soft">
          {description}
        </Text>
      )}
      <FieldError className="field-error">{error}</FieldError>
    </AriaTextField>
  );
}

export interface SearchFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly clearLabel: string;
  readonly ref?: Ref<HTMLInputElement>;
}

/** `/` puts the focus here (see keys.ts: it looks for `input[type=search]`). */
export function SearchField({ label, value, onChange, clearLabel, ref }: SearchFieldProps): ReactElement {
  return (
    <AriaSearchField aria-label={label} value={value} onChange={onChange} className="search">
      <SearchIcon size={16} aria-hidden />
      <Input ref={ref} className="input" placeholder={label} />
      {value !== '' && (
        <Button className="icon-button small-icon" aria-label={clearLabel}>
          <X size={16} aria-hidden />
        </Button>
      )}
    </AriaSearchField>
  );
}

export interface SelectOption<T extends string> {
  readonly id: T;
  readonly label: string;
  readonly note?: string;
}

export interface SelectProps<T extends string> {
  readonly label: string;
  /** The label is for screen readers only. */
  readonly hideLabel?: boolean;
  readonly options: readonly SelectOption<T>[];
  readonly value: T | null;
  readonly onChange: (value: T) => void;
  readonly description?: string;
  readonly placeholder?: string;
  readonly isDisabled?: boolean;
  readonly 'data-test'?: string;
}

export function Select<T extends string>(props: SelectProps<T>): ReactElement {
  const { label, hideLabel = false, options, value, onChange, description, placeholder, ...rest } = props;
  return (
    <AriaSelect
      {...rest}
      className="field"
      aria-label={hideLabel ? label : undefined}
      placeholder={placeholder}
      value={value}
      onChange={(key) => {
        const chosen = options.find(({ id }) => id === key);
        if (chosen) onChange(chosen.id);
      }}
    >
      {!hideLabel && <Label>{label}</Label>}
      <Button className="select-button">
        <SelectValue className="select-value">
          {({ defaultChildren, isPlaceholder }) =>
            isPlaceholder ? defaultChildren : (options.find(({ id }) => id === value)?.label ?? defaultChildren)
          }
        </SelectValue>
        <ChevronDown size={16} aria-hidden />
      </Button>
      {description !== undefined && (
        <Text slot="description" className="small soft">
          {description}
        </Text>
      )}
      <Popover className="popover select-popover">
        <ListBox className="list-box" items={options}>
          {(option) => (
            <ListBoxItem id={option.id} textValue={option.label} className="list-item">
              {({ isSelected }) => (
                <>
                  <span className="list-check">{isSelected && <Check size={16} aria-hidden />}</span>
                  <span className="list-text">
                    <Text slot="label">{option.label}</Text>
                    {option.note !== undefined && (
                      <Text slot="description" className="small soft">
                        {option.note}
                      </Text>
                    )}
                  </span>
                </>
              )}
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </AriaSelect>
  );
}

export interface SwitchProps {
  readonly label: ReactNode;
  readonly description?: ReactNode;
  readonly isSelected: boolean;
  readonly onChange: (on: boolean) => void;
  readonly isDisabled?: boolean;
  readonly 'data-test'?: string;
}

export function Switch({ label, description, ...rest }: SwitchProps): ReactElement {
  return (
    <AriaSwitch {...rest} className="switch">
      <span className="switch-words">
        <span>{label}</span>
        {description !== undefined && <span className="small soft">{description}</span>}
      </span>
      <span className="switch-track" aria-hidden>
        <span className="switch-knob" />
      </span>
    </AriaSwitch>
  );
}
