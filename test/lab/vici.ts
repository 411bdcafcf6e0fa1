/** Reads what `swanctl --list-sas --raw` prints. */

/** A message of vici: text, lists and sections by name. */
export interface Vici {
  readonly [key: string]: string | readonly string[] | Vici;
}

export interface IkeSaFromGateway {
  readonly uniqueId: string;
  readonly state: string;
  /** 16 hex digits. */
  readonly spiI: string;
  readonly spiR: string;
  readonly remoteHost: string;
  readonly remotePort: number;
  readonly localId: string;
  readonly remoteId: string;
  readonly encr: string;
  readonly keyLength: number | undefined;
  readonly integ: string | undefined;
  readonly prf: string;
  readonly ke: string;
  readonly natRemote: boolean;
  readonly virtualIps: readonly string[];
  readonly children: readonly ChildSaFromGateway[];
}

export interface ChildSaFromGateway {
  readonly name: string;
  readonly state: string;
  readonly encap: boolean;
  /** 8 hex digits; `in` as the daemon that was asked sees it. */
  readonly spiIn: string;
  readonly spiOut: string;
  readonly encr: string;
  readonly keyLength: number | undefined;
  readonly integ: string | undefined;
  readonly esn: boolean;
  readonly bytesIn: number;
  readonly packetsIn: number;
  readonly bytesOut: number;
  readonly packetsOut: number;
  readonly localTs: readonly string[];
  readonly remoteTs: readonly string[];
}

export type SaList = readonly IkeSaFromGateway[];

/**
 * One message per line: `list-sa event {office {uniqueid=1 … child-sas {net-1 {local-ts=[10.10.0.0/24] …}}}}`.
 * Returns the messages in order. Throws on anything else: the test would judge by half a message.
 */
export function parseVici(text: string): Vici[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const open = line.indexOf('{');
      if (open < 0 || !line.endsWith('}')) throw new Error(`Not a raw vici message: ${line}`);
      const [message, end] = section(line, open + 1);
      if (end !== line.length) throw new Error(`Text after the message: ${line.slice(end)}`);
      return message;
    });
}

/** Reads entries up to the closing brace; returns them with the offset behind it. */
function section(text: string, from: number): [Vici, number] {
  const result: Record<string, string | string[] | Vici> = {};
  let at = from;
  for (;;) {
    while (text[at] === ' ') at++;
    if (text[at] === '}') return [result, at + 1];
    const name = /[^\s={}[\]]+(?: (?=\{))?/y;
    name.lastIndex = at;
    const key = name.exec(text)?.[0];
    if (key === undefined) throw new Error(`No name at ${text.slice(at, at + 40)}`);
    at += key.length;
    if (text[at] === '{') {
      const [inner, end] = section(text, at + 1);
      result[key.trim()] = inner;
      at = end;
    } else if (text.startsWith('=[', at)) {
      const end = text.indexOf(']', at);
      result[key] = text
        .slice(at + 2, end)
        .split(' ')
        .filter((item) => item !== '');
      at = end + 1;
    } else if (text[at] === '=') {
      // A value may hold blanks (and `O=Office`): it ends where the next name, lower case, or the end of the section comes.
      const value = /=(.*?)(?=\}| [a-z][a-z0-9-]*=| [^\s={}[\]]+ ?\{)/y;
      value.lastIndex = at;
      const found = value.exec(text);
      if (found === null) throw new Error(`No value at ${text.slice(at, at + 40)}`);
      result[key] = (found[1] ?? '').trim();
      at += found[0].length;
    } else {
      throw new Error(`Neither value nor section at ${text.slice(at, at + 40)}`);
    }
  }
}

export function toSaList(messages: readonly Vici[]): SaList {
  return messages.flatMap((message) =>
    Object.values(message)
      .filter(isSection)
      .filter((sa) => 'uniqueid' in sa)
      .map(toIkeSa),
  );
}

function toIkeSa(sa: Vici): IkeSaFromGateway {
  const children = sa['child-sas'];
  return {
    uniqueId: string(sa, 'uniqueid'),
    state: string(sa, 'state'),
    spiI: string(sa, 'initiator-spi').padStart(16, '0'),
    spiR: string(sa, 'responder-spi').padStart(16, '0'),
    remoteHost: string(sa, 'remote-host'),
    remotePort: Number(string(sa, 'remote-port')),
    localId: string(sa, 'local-id'),
    remoteId: string(sa, 'remote-id'),
    encr: string(sa, 'encr-alg'),
    keyLength: number(sa, 'encr-keysize'),
    integ: optional(sa, 'integ-alg'),
    prf: string(sa, 'prf-alg'),
    ke: string(sa, 'dh-group'),
    natRemote: optional(sa, 'nat-remote') === 'yes',
    virtualIps: [...list(sa, 'remote-vips'), ...list(sa, 'local-vips')],
    children: children !== undefined && isSection(children) ? Object.values(children).filter(isSection).map(toChildSa) : [],
  };
}

function toChildSa(child: Vici): ChildSaFromGateway {
  return {
    name: string(child, 'name'),
    state: string(child, 'state'),
    encap: optional(child, 'encap') === 'yes',
    spiIn: string(child, 'spi-in').padStart(8, '0'),
    spiOut: string(child, 'spi-out').padStart(8, '0'),
    encr: string(child, 'encr-alg'),
    keyLength: number(child, 'encr-keysize'),
    integ: optional(child, 'integ-alg'),
    esn: optional(child, 'esn') === '1' || optional(child, 'esn') === 'yes',
    bytesIn: number(child, 'bytes-in') ?? 0,
    packetsIn: number(child, 'packets-in') ?? 0,
    bytesOut: number(child, 'bytes-out') ?? 0,
    packetsOut: number(child, 'packets-out') ?? 0,
    localTs: list(child, 'local-ts'),
    remoteTs: list(child, 'remote-ts'),
  };
}

function isSection(value: string | readonly string[] | Vici): value is Vici {
  return typeof value === 'object' && !Array.isArray(value);
}

function optional(section: Vici, key: string): string | undefined {
  const value = section[key];
  return typeof value === 'string' ? value : undefined;
}

/** A daemon that does not tell it (an SA coming up) leaves it empty. */
function string(section: Vici, key: string): string {
  return optional(section, key) ?? '';
}

function number(section: Vici, key: string): number | undefined {
  const value = optional(section, key);
  return value === undefined ? undefined : Number(value);
}

function list(section: Vici, key: string): readonly string[] {
  const value = section[key];
  return Array.isArray(value) ? value : [];
}
