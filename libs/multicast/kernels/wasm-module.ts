/*
 * Just enough of an assembler for WebAssembly to write the two loops that JavaScript is too slow
 * for, without a tool chain and without a binary in the sources. Node has vectors since 16.4.
 */

/** Of the global that the types of Node leave out, what is used here. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => CompiledModule;
  Memory: new (size: { initial: number }) => { readonly buffer: ArrayBuffer };
  Instance: new (module: CompiledModule, imports: object) => { readonly exports: unknown };
};
declare const compiled: unique symbol;
export interface CompiledModule {
  readonly [compiled]: true;
}

/** Bytes of instructions. */
export type Code = readonly number[];

export interface WasmFunction {
  readonly name: string;
  /** All parameters are i32. */
  readonly parameters: number;
  /** i32 locals that follow the parameters, then v128 locals. */
  readonly locals?: number;
  readonly vectors?: number;
  readonly returnsNumber?: boolean;
  readonly body: Code;
}

/** An instance with a memory of its own. */
export interface Kernel {
  readonly memory: Buffer;
  readonly run: Readonly<Record<string, (...args: number[]) => number>>;
}

export function compile(functions: readonly WasmFunction[]): CompiledModule {
  const types = functions.map(({ parameters, returnsNumber }) => [
    ...[0x60, ...vector(Array<number[]>(parameters).fill([i32]))],
    ...vector(returnsNumber ? [[i32]] : []),
  ]);
  const exported = functions.map(({ name }, index) => [...text(name), 0, ...unsigned(index)]);
  const bodies = functions.map(({ locals = 0, vectors = 0, body }) => {
    const code = [2, ...unsigned(locals), i32, ...unsigned(vectors), v128, ...body, 0x0b];
    return [...unsigned(code.length), ...code];
  });
  const bytes = [
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, types),
    ...section(2, [[...text('host'), ...text('memory'), 2, 0, 0]]),
    ...section(
      3,
      functions.map((_, index) => unsigned(index)),
    ),
    ...section(7, exported),
    ...section(10, bodies),
  ];
  return new WebAssembly.Module(Uint8Array.from(bytes));
}

export function instantiate(module: CompiledModule, memoryBytes: number): Kernel {
  const memory = new WebAssembly.Memory({ initial: Math.ceil(memoryBytes / 65_536) });
  const { exports } = new WebAssembly.Instance(module, { host: { memory } });
  return { memory: Buffer.from(memory.buffer), run: exports as Kernel['run'] };
}

const i32 = 0x7f;
const v128 = 0x7b;

export const get = (local: number): Code => [0x20, ...unsigned(local)];
export const set = (local: number): Code => [0x21, ...unsigned(local)];
export const number = (value: number): Code => [0x41, ...signed(value)];
export const add: Code = [0x6a];
export const lessThan: Code = [0x49];
export const advance = (local: number, by: number): Code => [
  ...get(local),
  ...number(by),
  ...add,
  ...set(local),
];
/** Repeats while `local` is below `end`; at least once. */
export const loopWhileBelow = (local: number, end: number, body: Code): Code => [
  ...[0x03, 0x40],
  ...body,
  ...get(local),
  ...get(end),
  ...lessThan,
  ...[0x0d, 0, 0x0b],
];

export const i64 = {
  load: [0x29, 0, 0],
  store: [0x37, 0, 0],
  add: [0x7c],
  equal: [0x51],
} as const;

/** Vector instructions, by their names in the specification. */
export const simd = {
  load: (offset = 0): Code => [0xfd, 0, 0, ...unsigned(offset)],
  store: (): Code => [0xfd, 0x0b, 0, 0],
  zero: (): Code => [0xfd, 0x0c, ...Array<number>(16).fill(0)],
  splatByte: (value: number): Code => [0xfd, 0x0c, ...Array<number>(16).fill(value)],
  swizzle: [0xfd, 0x0e] as Code,
  laneOfI64: (lane: number): Code => [0xfd, 0x1d, lane],
  and: [0xfd, 0x4e] as Code,
  xor: [0xfd, 0x51] as Code,
  shiftBytesRight: (bits: number): Code => [...number(bits), 0xfd, ...unsigned(0x6d)],
  addI32: [0xfd, ...unsigned(0xae)] as Code,
  addI64: [0xfd, ...unsigned(0xce)] as Code,
  multiplyLowU32: [0xfd, ...unsigned(0xde)] as Code,
  multiplyHighU32: [0xfd, ...unsigned(0xdf)] as Code,
};

function section(id: number, items: readonly Code[]): number[] {
  const bytes = vector(items);
  return [id, ...unsigned(bytes.length), ...bytes];
}

function vector(items: readonly Code[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function text(value: string): number[] {
  return [...unsigned(value.length), ...Buffer.from(value)];
}

function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  const isLast = value >= -64 && value < 64;
  return isLast ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(value >> 7)];
}
