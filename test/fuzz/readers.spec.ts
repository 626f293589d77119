import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { damage, damaged, meet } from '../support/hostile-bytes.js';
import { sampleReaders } from '../support/sample-container.js';

// `npm run fuzz:readers` does a hundred times as much, with another seed each time.
const runs = 10_000;

const all = await sampleReaders();

test.each(all.map((reader) => [reader.name, reader] as const))(
  'damaged bytes get nothing but a named refusal from the reader of a %s',
  async (_name, reader) => {
    await meet(reader, reader.original);
    expect(await reader.read(reader.original)).toBeDefined();
    const changes = fc.array(damage, { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(changes, (list) => meet(reader, damaged(reader.original, list))),
      { numRuns: Math.ceil(runs / all.length) },
    );
  },
);

test.each(all.filter(({ isAuthenticated }) => isAuthenticated).map((r) => [r.name, r] as const))(
  'every flipped bit and every cut is noticed by the reader of a %s',
  async (_name, reader) => {
    const { original } = reader;
    for (let at = 0; at < original.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const flipped = Buffer.from(original);
        flipped[at] = (flipped[at] as number) ^ (1 << bit);
        await meet(reader, flipped);
      }
      await meet(reader, original.subarray(0, at));
    }
  },
);
