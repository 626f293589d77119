import { join } from 'node:path';
import { blockBytes } from '#libs/assignment/container.js';
import { writeAssignment } from '#libs/assignment/writer.js';
import { JobType } from '#libs/contracts/index.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import { seededRandom } from '#libs/testkit/seeded-random.js';

export interface WanContainer {
  readonly path: string;
  readonly digest: string;
  readonly containerBytes: number;
}

/** A container of random data; another one for another seed. */
export async function makeContainer(
  directory: string,
  key: SigningKey,
  dataBytes: number,
  seed: number,
): Promise<WanContainer> {
  const path = join(directory, `container-${seed}`);
  const header = { assignmentId: 'a', site: 'www', part: 1, parts: 1, type: JobType.PUBLISH };
  const data = randomPieces(dataBytes, seed);
  const written = await writeAssignment({ path, header, commands: [], data, keys: [key] });
  return { path, digest: written.containerDigest, containerBytes: written.containerBytes };
}

/** One random piece, numbered: nothing in between is like anything before. */
function* randomPieces(dataBytes: number, seed: number): Generator<Uint8Array> {
  const random = seededRandom(seed);
  const piece = Buffer.alloc(blockBytes);
  for (let at = 0; at < piece.length; at += 4) piece.writeUInt32LE(random() * 2 ** 32, at);
  for (let at = 0; at < dataBytes; at += blockBytes) {
    piece.writeDoubleLE(at, 0);
    yield Buffer.from(piece.subarray(0, Math.min(blockBytes, dataBytes - at)));
  }
}
