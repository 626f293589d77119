import {
  add,
  advance,
  type CompiledModule,
  compile,
  get,
  i64,
  instantiate,
  type Kernel,
  loopWhileBelow,
  set,
  simd,
} from './wasm-module.js';

/** The hash takes its message in pieces of so many bytes. */
export const hashStrideBytes = 32;

/*
 * NH, the universal hash of UMAC (RFC 4418), with one row: the sum of products of pairs of 32-bit
 * words, each word with a word of the key added first. Whoever does not know the key guesses the
 * difference of two hashes with a chance of 2^-32 at most. A pad that is used once hides the hash.
 */
const [message, key, length, pad, out, end, sum, left, right] = [0, 1, 2, 3, 4, 5, 6, 7, 8];

const wordsPlusKey = (offset: number, local: number) => [
  ...get(message),
  ...simd.load(offset),
  ...get(key),
  ...simd.load(offset),
  ...simd.addI32,
  ...set(local),
];

const products = [
  ...get(left),
  ...get(right),
  ...simd.multiplyLowU32,
  ...get(left),
  ...get(right),
  ...simd.multiplyHighU32,
  ...simd.addI64,
];

/** The 64-bit tag, on the stack. */
const tagged = [
  ...get(message),
  ...get(length),
  ...add,
  ...set(end),
  ...simd.zero(),
  ...set(sum),
  ...loopWhileBelow(message, end, [
    ...wordsPlusKey(0, left),
    ...wordsPlusKey(16, right),
    ...get(sum),
    ...products,
    ...simd.addI64,
    ...set(sum),
    ...advance(message, hashStrideBytes),
    ...advance(key, hashStrideBytes),
  ]),
  ...get(sum),
  ...simd.laneOfI64(0),
  ...get(sum),
  ...simd.laneOfI64(1),
  ...i64.add,
  ...get(pad),
  ...i64.load,
  ...i64.add,
];

const shape = { parameters: 5, locals: 1, vectors: 3 };
let module: CompiledModule | undefined;

/**
 * `tag(message, key, length, pad, out)` writes eight bytes; `check(..., tag)` compares eight and
 * gives 1 or 0. All are addresses in the kernel's memory; `length` is a multiple of 32.
 */
export function frameHashKernel(memoryBytes: number): Kernel {
  module ??= compile([
    { name: 'tag', ...shape, body: [...get(out), ...tagged, ...i64.store] },
    {
      name: 'check',
      ...shape,
      returnsNumber: true,
      body: [...tagged, ...get(out), ...i64.load, ...i64.equal],
    },
  ]);
  return instantiate(module, memoryBytes);
}
