import { describe, expect, test } from '@jest/globals';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { frameHashKernel } from './frame-hash.js';
import { inverse, product } from './galois.js';
import { ParityCodec } from './parity.js';

const random = seededRandom(4);
const bytesOf = (length: number) => Buffer.from(Array.from({ length }, () => random() * 256));

/** NH by its definition, with the pad added. */
function reference(message: Buffer, key: Buffer, pad: bigint): bigint {
  const word = (at: number) => (message.readUInt32LE(at) + key.readUInt32LE(at)) >>> 0;
  let sum = pad;
  for (let at = 0; at < message.length; at += 32) {
    for (let lane = 0; lane < 16; lane += 4) {
      sum += BigInt(word(at + lane)) * BigInt(word(at + 16 + lane));
    }
  }
  return BigInt.asUintN(64, sum);
}

describe('the hash of frames', () => {
  test.each([32, 64, 1_472])('is NH of %i bytes, hidden by a pad', (length) => {
    const { memory, run } = frameHashKernel(65_536);
    const [message, key, pad] = [bytesOf(length), bytesOf(length), 0xfedc_ba98_7654_3210n];
    memory.set(message, 0);
    memory.set(key, 2_048);
    memory.writeBigUInt64LE(pad, 4_096);
    run.tag?.(0, 2_048, length, 4_096, 4_104);
    expect(memory.readBigUInt64LE(4_104)).toBe(reference(message, key, pad));
    expect(run.check?.(0, 2_048, length, 4_096, 4_104)).toBe(1);
    memory[length - 1] = (memory[length - 1] ?? 0) ^ 1;
    expect(run.check?.(0, 2_048, length, 4_096, 4_104)).toBe(0);
  });
});

describe('GF(256)', () => {
  test('every byte but 0 has an inverse', () => {
    for (let byte = 1; byte < 256; byte++) expect(product(byte, inverse(byte))).toBe(1);
  });
});

describe('repair frames', () => {
  test.each([
    [186, 1_408, 1],
    [186, 1_408, 40],
    [300, 100, 299],
    [3, 70, 3],
  ])('mend any losses in %i frames of %i bytes: %i of them', (frameCount, frameBytes, losses) => {
    const codec = new ParityCodec(frameCount, frameBytes);
    const bytes = bytesOf(frameCount * frameBytes - 7);
    const batch = { frameCount, frameBytes, bytes };
    const lost = new Set<number>();
    while (lost.size < losses) lost.add(Math.floor(random() * frameCount));
    const damaged = Buffer.from(bytes);
    for (const frame of lost) {
      const from = frame * frameBytes;
      damaged.fill(9, from, Math.min(bytes.length, from + frameBytes));
    }
    // One or two more than losses: random factors fail to be independent now and then.
    const content = codec.encode(batch, 5, losses + 2);
    const parity = content.map((part, offset) => ({ index: 5 + offset, content: part }));
    const isThere = (frame: number) => !lost.has(frame);
    const mended = codec.decode({ ...batch, bytes: damaged }, isThere, parity);
    expect([...(mended ?? [])].map(([frame]) => frame)).toEqual([...lost].sort((a, b) => a - b));
    for (const [frame, part] of mended ?? []) {
      const original = bytes.subarray(frame * frameBytes, (frame + 1) * frameBytes);
      expect(original.equals(part.subarray(0, original.length))).toBe(true);
    }
    const first = codec.encode(batch, 0, losses + 2);
    const early = first.map((part, index) => ({ index, content: part }));
    const sums = codec.sums({ ...batch, bytes: damaged }, isThere, losses + 2);
    codec.encode({ ...batch, bytes: bytesOf(bytes.length) }, 0, 1);
    const finished = codec.finish(
      [...lost].sort((a, b) => a - b),
      early,
      sums,
    );
    expect([...(finished ?? [])]).toEqual([...(mended ?? [])]);
    if (losses > 1) {
      const few = parity.slice(0, losses - 1);
      expect(codec.decode({ ...batch, bytes: damaged }, isThere, few)).toBeUndefined();
    }
  });

  test('hardly ever fail to be independent', () => {
    const frameCount = 60;
    const codec = new ParityCodec(frameCount, 16);
    const batch = { frameCount, frameBytes: 16, bytes: bytesOf(frameCount * 16) };
    let failures = 0;
    for (let round = 0; round < 300; round++) {
      const parity = codec
        .encode(batch, round * 10, 10)
        .map((content, offset) => ({ index: round * 10 + offset, content }));
      const from = Math.floor(random() * 50);
      const isThere = (frame: number) => frame < from || frame >= from + 10;
      if (!codec.decode(batch, isThere, parity)) failures++;
    }
    expect(failures).toBeLessThan(8);
  });
});
