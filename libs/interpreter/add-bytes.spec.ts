import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { addBytes, Words } from './add-bytes.js';

/** Bytes that begin anywhere in their memory, as views do. */
const placed = fc
  .tuple(
    fc.nat(9),
    fc.uint8Array({ minLength: 0, maxLength: 400, size: 'max' }),
    fc.constantFrom(0, 1, 16),
  )
  .map(([before, bytes, zeroRun]) => {
    const memory = new Uint8Array(before + bytes.length);
    memory.set(bytes, before);
    // Mostly zeros, as a difference is.
    for (let at = 0; zeroRun > 0 && at < memory.length; at++) {
      if (at % (zeroRun + 1) > 0) memory[at] = 0;
    }
    return memory.subarray(before);
  });

test('every byte is added modulo 256, wherever both begin, and no other byte changes', () => {
  fc.assert(
    fc.property(
      placed,
      placed,
      fc.nat(12),
      fc.nat(12),
      fc.nat(400),
      (target, bytes, at, from, n) => {
        const count = Math.max(0, Math.min(n, target.length - at, bytes.length - from));
        const wanted = Array.from(target, (byte, index) => {
          const isIn = index >= at && index < at + count;
          return isIn ? (byte + (bytes[from + index - at] ?? 0)) % 256 : byte;
        });
        const around = new Uint8Array(target.buffer).slice(0, target.byteOffset);
        addBytes(new Words(target), at, new Words(bytes), from, count);
        expect(Array.from(target)).toEqual(wanted);
        expect(new Uint8Array(target.buffer).slice(0, target.byteOffset)).toEqual(around);
      },
    ),
    { numRuns: 2_000 },
  );
});

test('bytes that overflow do not carry into the next', () => {
  const target = new Uint8Array(128).fill(0xff);
  addBytes(new Words(target), 0, new Words(new Uint8Array(128).fill(0x81)), 0, 128);
  expect(target).toEqual(new Uint8Array(128).fill(0x80));
});
