import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dataKeyBytes } from '#libs/assignment/block-cipher.js';
import { measureJob } from '#libs/assignment/body.js';
import { newDataKey } from '#libs/assignment/data-key.js';
import { openContainer, verifyBody } from '#libs/assignment/reader.js';
import { writeContainer } from '#libs/assignment/writer.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';

// Writes and verifies a container of the largest size, and says how much memory that took:
//   node dist/test/bench/container.js [GiB] [--seal] [--json]

const words = process.argv.slice(2);
const gib = Number(words.find((word) => /^[\d.]+$/.test(word)) ?? 4);
const key = signingKeyFromPem(generatePrivateKeyPem());
const directory = await mkdtemp(
  join(process.env.ESPALIER_BENCH_DIR ?? tmpdir(), 'espalier-bench-'),
);
let peakRssBytes = 0;
const watch = setInterval(() => {
  peakRssBytes = Math.max(peakRssBytes, process.memoryUsage.rss());
}, 50);

async function timed<T>(action: () => Promise<T>): Promise<{ result: T; seconds: number }> {
  const startedMs = performance.now();
  const result = await action();
  return { result, seconds: (performance.now() - startedMs) / 1000 };
}

try {
  const dataPath = join(directory, 'data');
  const file = await open(dataPath, 'w');
  // A sparse file: what is measured is the container, not the source.
  const dataBytes = Math.floor(gib * 1024 ** 3) - (gib === 4 ? 1024 ** 2 : 0);
  await file.truncate(dataBytes);
  await file.close();
  const wrapped = words.includes('--seal')
    ? newDataKey({ site: 'www', runId: 'r' }, [{ node: 'a', publicKey: key.publicKey }])
    : undefined;
  const startRssBytes = process.memoryUsage.rss();
  const measuring = wrapped ? { dataKey: wrapped.dataKey } : {};
  const measured = await timed(() => measureJob([], dataPath, measuring));
  const [body] = measured.result;
  if (body?.share.parts !== 1) throw new Error('this should be one container');
  const path = join(directory, 'container');
  const encryption = wrapped ? { encryption: wrapped.encryption } : {};
  const header = { assignmentId: 'www-1', site: 'www', ...encryption };
  const written = await timed(() => writeContainer(path, header, body, [key]));
  const verified = await timed(async () => {
    await verifyBody(path, await openContainer(path, { keys: [key.publicKey], threshold: 1 }));
  });
  const figures = {
    ...{ dataBytes, containerBytes: written.result.containerBytes, sealed: wrapped !== undefined },
    ...{ keyBytes: wrapped ? dataKeyBytes : 0, blocks: body.leaves.length / 32 },
    ...{ measureSeconds: measured.seconds, writeSeconds: written.seconds },
    ...{ verifySeconds: verified.seconds, startRssBytes, peakRssBytes },
  };
  console.log(JSON.stringify(figures));
} finally {
  clearInterval(watch);
  await rm(directory, { recursive: true });
}
