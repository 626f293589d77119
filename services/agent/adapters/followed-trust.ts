import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  assignmentTrust,
  nextRoot,
  type RootDocument,
  readRootFile,
} from '#libs/assignment/root-document.js';
import type { Clock } from '#libs/clock/clock.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';

/** What enrolment says of trust. */
export interface EnrolledTrust {
  readonly signingKeys: readonly Uint8Array[];
  readonly signingThreshold: number;
  /** Root documents of the control plane, oldest first; none: the keys count. */
  readonly rootDocuments: readonly Uint8Array[];
}

/**
 * Whose signatures this agent wants. The first root document comes with an enrolment; from then on
 * only documents count that follow the one before, whatever the control plane says. The newest is
 * kept in a file, so that nobody can take a restarted agent back.
 */
export class FollowedTrust implements TrustRoot {
  private constructor(
    private readonly path: string,
    private readonly enrolled: TrustRoot,
    private readonly clock: Clock,
    private readonly log: (line: string) => void,
    private document: RootDocument | undefined,
  ) {}

  /** @throws AssignmentRefused for a kept or first document that is damaged */
  static async open(
    path: string,
    enrolled: EnrolledTrust,
    clock: Clock,
    log: (line: string) => void,
  ): Promise<FollowedTrust> {
    const { signingKeys, signingThreshold, rootDocuments } = enrolled;
    const first = rootDocuments.at(-1);
    let kept = await keptAt(path);
    if (!kept && first) {
      readRootFile(first);
      await keep(path, first);
      kept = first;
    }
    const keys = { keys: signingKeys, threshold: signingThreshold };
    const document = kept && readRootFile(kept);
    const trust = new FollowedTrust(path, keys, clock, log, document);
    await trust.follow(rootDocuments);
    return trust;
  }

  /** @throws AssignmentRefused `expired` */
  get keys(): readonly Uint8Array[] {
    return this.current().keys;
  }

  /** @throws AssignmentRefused `expired` */
  get threshold(): number {
    return this.current().threshold;
  }

  /** Takes the documents that follow, one after another; others are told and passed over. */
  async follow(documents: readonly Uint8Array[]): Promise<void> {
    for (const bytes of documents) {
      if (!this.document) return;
      try {
        if (readRootFile(bytes).version <= this.document.version) continue;
        const next = nextRoot(this.document, bytes, this.clock.nowMs());
        await keep(this.path, bytes);
        this.document = next;
        this.log(`root document ${next.version} says who signs assignments`);
      } catch (error) {
        this.log(`a root document is not followed: ${(error as Error).message}`);
      }
    }
  }

  private current(): TrustRoot {
    return this.document ? assignmentTrust(this.document, this.clock.nowMs()) : this.enrolled;
  }
}

async function keptAt(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function keep(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}
