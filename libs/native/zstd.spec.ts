import { describe, expect, test } from '@jest/globals';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import { openLibzstd, streamWindowLog } from './libzstd.js';
import { openNodeZstd } from './node-zstd.js';
import { openPortableZstd } from './portable-zstd.js';
import { newMemory } from './work-memory.js';
import { CorruptFrame, NotSupportedHere, OutputTooLarge, type ZstdCodec } from './zstd-codec.js';

const random = seededRandom(7);
const noise = (bytes: number) => Uint8Array.from({ length: bytes }, () => random() * 256);
const text = (bytes: number) =>
  new TextEncoder().encode('every block is verified '.repeat(bytes / 24 + 1)).subarray(0, bytes);
const samples: [string, Uint8Array][] = [
  ['nothing', new Uint8Array(0)],
  ['one byte', Uint8Array.of(42)],
  ['text', text(10_000)],
  ['as much text as one output holds', text(131_072)],
  ['much text', text(3_000_001)],
  ['noise', noise(300_000)],
];

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function join(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk.slice());
  return new Uint8Array(Buffer.concat(all));
}

const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

const libzstd = openLibzstd();
const providers: [string, ZstdCodec | undefined, canCompress: boolean][] = [
  ['libzstd', libzstd, true],
  ['node:zlib', openNodeZstd(streamWindowLog), true],
  ['fzstd', openPortableZstd(), false],
];
const here = providers.filter(([, codec]) => codec !== undefined);
/** Frames for a provider that only decompresses come from one that compresses. */
const compressor = here.find(([, , canCompress]) => canCompress)?.[1] as ZstdCodec;

test('this host has at least one provider of zstd', () => {
  expect(compressor).toBeDefined();
});

describe.each(here)('zstd of %s', (_, provider, canCompress) => {
  const codec = provider as ZstdCodec;
  const maker = canCompress ? codec : compressor;

  test.each(samples)('gives back %s', async (_, bytes) => {
    const frame = await maker.compress(bytes, 3);
    expect(same(await codec.decompress(frame, bytes.length), bytes)).toBe(true);
  });

  test.each(samples)('gives back %s in pieces of any size', async (_, bytes) => {
    for (const size of [1000, 65_536, 10_000_000]) {
      const frame = await join(maker.compressStream(pieces(bytes, size), 3));
      const content = await join(codec.decompressStream(pieces(frame, size + 1), bytes.length));
      expect(same(content, bytes)).toBe(true);
      expect(same(await codec.decompress(frame, bytes.length), bytes)).toBe(true);
    }
  });

  test('refuses content that is longer than allowed', async () => {
    const bomb = await maker.compress(new Uint8Array(50_000_000), 3);
    expect(bomb.length).toBeLessThan(10_000);
    await expect(codec.decompress(bomb, 49_999_999)).rejects.toThrow(OutputTooLarge);
    const stream = codec.decompressStream(pieces(bomb, 100), 1_000_000);
    await expect(join(stream)).rejects.toThrow(OutputTooLarge);
  });

  test('refuses a frame that is cut off anywhere', async () => {
    const frame = await maker.compress(noise(500), 3);
    for (let length = 0; length < frame.length; length += 7) {
      const cut = frame.subarray(0, length);
      await expect(codec.decompress(cut, 500)).rejects.toThrow(CorruptFrame);
      await expect(join(codec.decompressStream(pieces(cut, 50), 500))).rejects.toThrow(
        CorruptFrame,
      );
    }
  });

  test('refuses bytes that are no frame', async () => {
    await expect(codec.decompress(text(100), 1000)).rejects.toThrow(CorruptFrame);
    const stream = codec.decompressStream(pieces(text(100), 10), 1000);
    await expect(join(stream)).rejects.toThrow(CorruptFrame);
  });

  test('passes on a failure of its source', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield (await maker.compress(text(500), 3)).subarray(0, 20);
      throw new RangeError('the disk is gone');
    }
    await expect(join(codec.decompressStream(broken(), 1000))).rejects.toThrow('the disk is gone');
  });

  test('compresses, or says that it cannot', async () => {
    if (canCompress) {
      expect((await codec.compress(text(100_000), 3)).length).toBeLessThan(1000);
    } else {
      await expect(codec.compress(text(10), 3)).rejects.toThrow(NotSupportedHere);
    }
  });
});

if (libzstd) {
  describe('zstd patches of libzstd', () => {
    const base = noise(2_000_000);
    const wanted = Buffer.concat([base.subarray(0, 900_000), text(50), base.subarray(900_000)]);

    test.each([true, false])('are small for similar files (long distance: %s)', async (far) => {
      const options = { level: 9, longDistance: far };
      const frame = await libzstd.compressWithPrefix(wanted, base, options);
      if (far) expect(frame.length).toBeLessThan(2000);
      const content = await libzstd.decompressWithPrefix(frame, base, wanted.length, newMemory);
      expect(same(content, wanted)).toBe(true);
    });

    test('reach over a prefix much longer than the content', async () => {
      const tail = base.slice(0, 1000);
      const frame = await libzstd.compressWithPrefix(tail, base, { level: 9, longDistance: true });
      expect(frame.length).toBeLessThan(100);
      expect(same(await libzstd.decompressWithPrefix(frame, base, 1000, newMemory), tail)).toBe(
        true,
      );
    });

    test('leave the event loop free while many are applied one after the other', async () => {
      const bytes = text(300_000);
      const frame = await libzstd.compressWithPrefix(bytes, base, {
        level: 1,
        longDistance: false,
      });
      let isFree = false;
      setImmediate(() => {
        isFree = true;
      });
      for (let round = 0; round < 20; round++) {
        await libzstd.decompressWithPrefix(frame, base, bytes.length, newMemory);
      }
      expect(isFree).toBe(true);
    });

    test('are refused when they make more than allowed', async () => {
      const frame = await libzstd.compressWithPrefix(wanted, base, {
        level: 3,
        longDistance: true,
      });
      const patched = libzstd.decompressWithPrefix(frame, base, wanted.length - 1, newMemory);
      await expect(patched).rejects.toThrow(OutputTooLarge);
    });
  });
}

test('a frame whose window is larger than a reader should need is refused', async () => {
  if (!libzstd) return;
  // Magic, frame header without sizes, a window of 128 MiB, one empty last block.
  const frame = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 0x01, 0x00, 0x00);
  await expect(join(libzstd.decompressStream(pieces(frame, 9), 10))).rejects.toThrow(CorruptFrame);
});
