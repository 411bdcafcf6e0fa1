/**
 * `PacketMemory` by SIMD: sixteen octets per step, several times as fast as a loop in TypeScript. The two functions are WebAssembly,
 * assembled below by hand (WebAssembly core specification 2.0 §5), and work on the memory in place, so that system calls and ciphers,
 * which know its address, see the same octets. `plainMemory` is their judge (test/unit/ip/packetMemory.test.ts).
 */
import { type PacketMemory, plainMemory } from './packetMemory.ts';

/** What is used of the global; TypeScript has its types only together with a browser's. */
declare const WebAssembly: {
  readonly validate: (code: Uint8Array) => boolean;
  readonly Memory: new (pages: { readonly initial: number; readonly maximum: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
};

/** The faster of the two implementations that this runtime has; `octets` is rounded up to whole pages of 64 KiB. */
export function packetMemory(octets: number): PacketMemory {
  return simdMemory(octets) ?? plainMemory(octets);
}

/** Undefined where the runtime has no WebAssembly SIMD. */
export function simdMemory(octets: number): PacketMemory | undefined {
  if (!WebAssembly.validate(moduleBytes)) return undefined;
  const pages = Math.ceil(octets / 65_536);
  // Minimum and maximum are the same, so the buffer is never moved or detached.
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes), { host: { memory } });
  const { sum, copy } = instance.exports as Pick<PacketMemory, 'sum' | 'copy'>;
  return { bytes: new Uint8Array(memory.buffer), sum, copy };
}

// --- instructions, as octets -------------------------------------------------------------------------------------------------------

type Code = readonly number[];

const i32 = 0x7f;
const i64 = 0x7e;
const v128 = 0x7b;

const get = (local: number): Code => [0x20, local];
const set = (local: number): Code => [0x21, local];
const i32Const = (value: number): Code => [0x41, ...signed(value)];
const i64Const = (value: number): Code => [0x42, ...signed(value)];
const i32Add = 0x6a;
const i32Sub = 0x6b;
const i32GeU = 0x4f;
const i64Add = 0x7c;
const i64And = 0x83;
const i64ShrU = 0x88;
const i32WrapI64 = 0xa7;
const i64ExtendU = 0xad;
/** A memory access: alignment hint 0, since packets lie anywhere. */
const at = (opcode: Code, offset: number): Code => [...opcode, 0, ...unsigned(offset)];
const simd = (opcode: number): Code => [0xfd, ...unsigned(opcode)];
const v128Load = simd(0);
const v128Store = simd(11);
const i32x4Add = simd(174);
/** i32x4.extadd_pairwise_i16x8_u: eight 16-bit words become four sums of two. */
const addPairs = simd(127);
const lane32 = (lane: number): Code => [...simd(27), lane];

/** `while (length >= step) { body }` */
function whileAtLeast(length: number, step: number, body: Code): Code {
  const condition = [...get(length), ...i32Const(step), i32GeU];
  // if (condition) { do { body } while (condition) }
  return [...condition, 0x04, 0x40, 0x03, 0x40, ...body, ...condition, 0x0d, 0, 0x0b, 0x0b];
}

// --- the two functions ---------------------------------------------------------------------------------------------------------

/** Locals after the parameters: total (i64), accumulator and word at hand (v128). `to` is undefined for `sum`. */
function walk(to: number | undefined, from: number, length: number): Code {
  const total = length + 1;
  const accumulator = total + 1;
  const word = accumulator + 1;

  const advance = (step: number): Code => [
    ...get(from),
    ...i32Const(step),
    i32Add,
    ...set(from),
    ...(to === undefined ? [] : [...get(to), ...i32Const(step), i32Add, ...set(to)]),
    ...get(length),
    ...i32Const(step),
    i32Sub,
    ...set(length),
  ];

  /** Sixteen octets at `offset`. No lane overflows: 64 KiB have 2^13 pairs below 2^17 per lane at most. */
  const vector = (offset: number): Code => [
    ...get(from),
    ...at(v128Load, offset),
    ...set(word),
    ...(to === undefined ? [] : [...get(to), ...get(word), ...at(v128Store, offset)]),
    ...get(accumulator),
    ...get(word),
    ...addPairs,
    ...i32x4Add,
    ...set(accumulator),
  ];

  /** One integer of 4, 2 or 1 octets; sums of longer words fold to the same 16 bits. */
  const scalar = (load: number, store: number): Code => [
    ...(to === undefined ? [] : [...get(to), ...get(from), ...at([load], 0), ...at([store], 0)]),
    ...get(total),
    ...get(from),
    ...at([load], 0),
    i64ExtendU,
    i64Add,
    ...set(total),
  ];

  const addLane = (lane: number): Code => [
    ...get(total),
    ...get(accumulator),
    ...lane32(lane),
    i64ExtendU,
    i64Add,
    ...set(total),
  ];
  const foldOnce = [...get(total), ...i64Const(0xffff), i64And, ...get(total), ...i64Const(16), i64ShrU, i64Add, ...set(total)];

  return [
    ...whileAtLeast(length, 64, [...vector(0), ...vector(16), ...vector(32), ...vector(48), ...advance(64)]),
    ...whileAtLeast(length, 16, [...vector(0), ...advance(16)]),
    ...whileAtLeast(length, 4, [...scalar(0x28, 0x36), ...advance(4)]),
    ...whileAtLeast(length, 2, [...scalar(0x2f, 0x3b), ...advance(2)]),
    ...whileAtLeast(length, 1, [...scalar(0x2d, 0x3a), ...advance(1)]),
    ...addLane(0),
    ...addLane(1),
    ...addLane(2),
    ...addLane(3),
    // Four times: 35 bits become 20, then 17, then 16.
    ...foldOnce,
    ...foldOnce,
    ...foldOnce,
    ...foldOnce,
    ...get(total),
    i32WrapI64,
  ];
}

// --- the module around them ----------------------------------------------------------------------------------------------------

function signed(value: number): number[] {
  const octets: number[] = [];
  for (let rest = value; ; rest >>= 7) {
    const low = rest & 0x7f;
    const last = (rest >> 7 === 0 && (low & 0x40) === 0) || (rest >> 7 === -1 && (low & 0x40) !== 0);
    octets.push(last ? low : low | 0x80);
    if (last) return octets;
  }
}

function unsigned(value: number): number[] {
  const octets: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    octets.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
    if (rest <= 0x7f) return octets;
  }
}

const vector = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()];
const section = (id: number, content: Code): Code => [id, ...unsigned(content.length), ...content];
const name = (text: string): Code => vector([...text].map((letter) => [letter.charCodeAt(0)]));
const functionType = (parameters: number): Code => [0x60, ...vector(new Array(parameters).fill([i32])), ...vector([[i32]])];

function functionBody(code: Code): Code {
  const locals = vector([
    [1, i64],
    [2, v128],
  ]);
  const body = [...locals, ...code, 0x0b];
  return [...unsigned(body.length), ...body];
}

const moduleBytes = new Uint8Array([
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...section(1, vector([functionType(2), functionType(3)])),
  ...section(2, vector([[...name('host'), ...name('memory'), 2, 0x00, 1]])),
  ...section(3, vector([[0], [1]])),
  ...section(
    7,
    vector([
      [...name('sum'), 0, 0],
      [...name('copy'), 0, 1],
    ]),
  ),
  ...section(10, vector([functionBody(walk(undefined, 0, 1)), functionBody(walk(0, 1, 2))])),
]);
