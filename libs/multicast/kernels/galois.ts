import {
  add,
  advance,
  type CompiledModule,
  compile,
  get,
  instantiate,
  type Kernel,
  loopWhileBelow,
  set,
  simd,
} from './wasm-module.js';

/** Vectors of bytes are added in pieces of so many bytes. */
export const galoisStrideBytes = 16;
/** The products of a byte's halves with one factor: two tables of 16. */
const tableBytes = 32;
export const galoisTablesBytes = 256 * tableBytes;

const polynomial = 0x11d;
const powers = new Uint8Array(512);
const logarithms = new Uint8Array(256);
for (let exponent = 0, power = 1; exponent < 255; exponent++) {
  powers[exponent] = power;
  powers[exponent + 255] = power;
  logarithms[power] = exponent;
  power = (power << 1) ^ (power & 0x80 ? polynomial : 0);
}

/** In GF(256). */
export function product(a: number, b: number): number {
  if (a === 0 || b === 0) return 0;
  return powers[(logarithms[a] ?? 0) + (logarithms[b] ?? 0)] ?? 0;
}

/** @param a not 0 */
export function inverse(a: number): number {
  return powers[255 - (logarithms[a] ?? 0)] ?? 0;
}

const [target, source, length, table, end, piece, low, high] = [0, 1, 2, 3, 4, 5, 6, 7];

/** target += factor * source, the factor given by its tables; what PSHUFB is famous for. */
const addProduct = [
  ...get(table),
  ...simd.load(0),
  ...set(low),
  ...get(table),
  ...simd.load(16),
  ...set(high),
  ...get(source),
  ...get(length),
  ...add,
  ...set(end),
  ...loopWhileBelow(source, end, [
    ...get(source),
    ...simd.load(),
    ...set(piece),
    ...get(target),
    ...get(target),
    ...simd.load(),
    ...get(low),
    ...get(piece),
    ...simd.splatByte(0x0f),
    ...simd.and,
    ...simd.swizzle,
    ...simd.xor,
    ...get(high),
    ...get(piece),
    ...simd.shiftBytesRight(4),
    ...simd.swizzle,
    ...simd.xor,
    ...simd.store(),
    ...advance(source, galoisStrideBytes),
    ...advance(target, galoisStrideBytes),
  ]),
];

let module: CompiledModule | undefined;

/** Adds multiples of vectors to vectors in its memory, whose first bytes are tables. */
export interface Galois {
  readonly memory: Kernel['memory'];
  /** Addresses of the vectors; `bytes` a multiple of 16. */
  addProduct(target: number, source: number, bytes: number, factor: number): void;
}

/** @param memoryBytes for vectors, from address `galoisTablesBytes` on */
export function galoisKernel(memoryBytes: number): Galois {
  module ??= compile([
    { name: 'addProduct', parameters: 4, locals: 1, vectors: 3, body: addProduct },
  ]);
  const { memory, run } = instantiate(module, galoisTablesBytes + memoryBytes);
  for (let factor = 0; factor < 256; factor++) {
    for (let half = 0; half < 16; half++) {
      memory[factor * tableBytes + half] = product(factor, half);
      memory[factor * tableBytes + 16 + half] = product(factor, half << 4);
    }
  }
  const { addProduct: call } = run;
  return {
    memory,
    addProduct(into, from, bytes, factor) {
      if (factor !== 0) call?.(into, from, bytes, factor * tableBytes);
    },
  };
}
