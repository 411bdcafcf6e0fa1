/**
 * JSON of profile files (RFC 8259), stricter than JSON.parse: a key that comes twice is an error (which one counts would be
 * a guess), depth and size are bounded, `__proto__` is a key like any other in an object without prototype, and every
 * error says the line and column. Nothing of the text is quoted in an error: it may be a secret.
 */
import { err, ok, type Result } from '../bytes/result.ts';

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
/** Without prototype. */
export interface JsonObject {
  readonly [key: string]: Json;
}

export interface JsonError {
  readonly line: number;
  readonly column: number;
  readonly problem: string;
}

export interface JsonLimits {
  /** UTF-16 units of the whole text. */
  readonly length: number;
  readonly depth: number;
  /** Values in all. */
  readonly values: number;
  /** Strings may have line breaks and tabs in them as they are: what other programs' readers let pass. */
  readonly lineBreaks?: boolean;
}

export const PROFILE_LIMITS: JsonLimits = { length: 256 * 1024, depth: 8, values: 10_000 };

class Fault extends Error {
  readonly at: number;
  constructor(at: number, problem: string) {
    super(problem);
    this.at = at;
  }
}

export function parseJson(text: string, limits: JsonLimits = PROFILE_LIMITS): Result<Json, JsonError> {
  if (text.length > limits.length) return err({ line: 1, column: 1, problem: `more than ${limits.length} characters` });
  try {
    return ok(parse(text, limits));
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    const before = text.slice(0, fault.at);
    const lineStart = before.lastIndexOf('\n') + 1;
    return err({ line: before.split('\n').length, column: fault.at - lineStart + 1, problem: fault.message });
  }
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parse(text: string, limits: JsonLimits): Json {
  // A byte order mark is not JSON, but editors put it there.
  let at = text.startsWith('\ufeff') ? 1 : 0;
  let values = 0;

  function fail(problem: string, where = at): never {
    throw new Fault(where, problem);
  }

  function blanks(): void {
    while (at < text.length && ' \t\r\n'.includes(text[at])) at++;
  }

  function expect(sign: string, what: string): void {
    blanks();
    if (text[at] !== sign) fail(at >= text.length ? `the text ends where ${what} must come` : `${what} must come here`);
    at++;
  }

  function value(depth: number): Json {
    blanks();
    if (++values > limits.values) fail(`more than ${limits.values} values`);
    if (depth > limits.depth) fail(`nested deeper than ${limits.depth}`);
    const sign = text[at];
    if (sign === '{') return object(depth);
    if (sign === '[') return array(depth);
    if (sign === '"') return string();
    for (const [word, meaning] of WORDS) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return meaning;
      }
    }
    return number();
  }

  function object(depth: number): JsonObject {
    const result: Record<string, Json> = Object.create(null);
    at++;
    blanks();
    if (text[at] === '}') {
      at++;
      return result;
    }
    for (;;) {
      blanks();
      const keyAt = at;
      if (text[at] !== '"') fail(at >= text.length ? 'the text ends inside an object' : 'a key in double quotes must come here');
      const key = string();
      if (Object.hasOwn(result, key)) fail('this key comes twice in the same object', keyAt);
      expect(':', 'a colon');
      result[key] = value(depth + 1);
      blanks();
      if (text[at] === '}') {
        at++;
        return result;
      }
      expect(',', 'a comma or the end of the object');
    }
  }

  function array(depth: number): readonly Json[] {
    const result: Json[] = [];
    at++;
    blanks();
    if (text[at] === ']') {
      at++;
      return result;
    }
    for (;;) {
      result.push(value(depth + 1));
      blanks();
      if (text[at] === ']') {
        at++;
        return result;
      }
      expect(',', 'a comma or the end of the list');
    }
  }

  function string(): string {
    const start = at++;
    let result = '';
    for (;;) {
      const from = at;
      while (at < text.length && text[at] !== '"' && text[at] !== '\\' && isInString(text.charCodeAt(at))) at++;
      result += text.slice(from, at);
      if (at >= text.length) fail('a string that begins here has no end', start);
      const sign = text[at];
      if (sign === '"') {
        at++;
        return result;
      }
      if (sign !== '\\') fail('a control character inside a string');
      result += escaped();
    }
  }

  function isInString(unit: number): boolean {
    return unit >= 0x20 || (limits.lineBreaks === true && (unit === 0x0a || unit === 0x0d || unit === 0x09));
  }

  function escaped(): string {
    const sign = text[at + 1] ?? '';
    const plain = ESCAPES.get(sign);
    if (plain !== undefined) {
      at += 2;
      return plain;
    }
    const digits = text.slice(at + 2, at + 6);
    if (sign !== 'u' || !/^[0-9a-fA-F]{4}$/.test(digits)) fail('this escape is not JSON');
    at += 6;
    return String.fromCharCode(Number.parseInt(digits, 16));
  }

  function number(): number {
    NUMBER.lastIndex = at;
    const digits = NUMBER.exec(text)?.[0];
    if (digits === undefined) fail(at >= text.length ? 'the text ends where a value must come' : 'a value must come here');
    at += digits.length;
    return Number(digits);
  }

  const result = value(1);
  blanks();
  if (at < text.length) fail('something follows the end of the profile');
  return result;
}

const WORDS: readonly (readonly [string, null | boolean])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
