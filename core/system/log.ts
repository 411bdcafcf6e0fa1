/** Where every part logs to. Values are printed as they are: never hand a secret over. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type Log = (
  level: LogLevel,
  area: string,
  text: string,
  fields?: Readonly<Record<string, string | number | boolean>>,
) => void;
