import { availableParallelism } from 'node:os';
import { Lanes } from '#libs/content-store/adapters/lanes.js';
import { DigestThread, type Outcome } from './digest-thread.js';
import { smallBytes } from './hash-file.js';
import { type DigestedFile, readDigest, readNow } from './read-digest.js';
import type { FoundFile } from './walk.js';

/** Less is read sooner than threads start. */
const worthFiles = 2_000;
const worthBytes = 64 * 1024 ** 2;
const mostThreads = 4;
/** What a thread is given at a time. */
const batchFiles = 128;
const batchBytes = 4 * 1024 ** 2;
/** And ahead: the answers wait until this thread has time for them. */
const batchesAhead = 16;
const defaultConcurrency = 4;

export interface DigestOptions {
  readonly root: string;
  /** Called now and then; what it gives is awaited. */
  pause(): Promise<void> | undefined;
  /** Gets the files that are there, in any order. */
  keep(file: DigestedFile): void;
  /** How many large files are read at the same time where there are no threads. */
  readonly concurrency?: number | undefined;
}

/**
 * Reads files while others are still being found: on threads as soon as there are many, one for
 * each other processor, and on this one as soon as all were found.
 */
export class FileDigests {
  private threads: DigestThread[] | undefined;
  private batches: FoundFile[][] = [];
  private batch: FoundFile[] = [];
  private batchedBytes = 0;
  private files = 0;
  private bytes = 0;
  private readonly answers: Promise<void>[] = [];

  constructor(private readonly options: DigestOptions) {}

  /** Whether threads have begun to read. */
  get isOnThreads(): boolean {
    return this.threads !== undefined;
  }

  add(file: FoundFile): void {
    const { sizeBytes } = file.identity;
    this.files += 1;
    this.bytes += sizeBytes;
    if (sizeBytes > batchBytes) this.batches.push([file]);
    else this.addToBatch(file);
    if (!this.threads && this.isWorthThreads()) this.threads = startThreads();
    this.send();
  }

  /** Reads what is left. @throws what `readDigest` throws; then nothing is read any more */
  async finish(): Promise<void> {
    if (this.batch.length > 0) this.batches.push(this.batch);
    this.batch = [];
    const { batches, options } = this;
    // Threads read large files better, this one leaves the event loop free meanwhile.
    if (this.threads) batches.sort((a, b) => a.length - b.length);
    this.send();
    const lanes = new Lanes(options.concurrency ?? defaultConcurrency);
    const large: Promise<void>[] = [];
    for (let batch = batches.pop(); batch; batch = batches.pop()) {
      for (const file of batch) {
        const turn = options.pause();
        if (turn) await turn;
        if (file.identity.sizeBytes <= smallBytes) await this.take(file, this.now(file));
        else large.push(lanes.run(() => this.take(file)));
      }
    }
    await Promise.all([...large, ...this.answers]);
  }

  async close(): Promise<void> {
    this.batches.length = 0;
    await Promise.all((this.threads ?? []).map((thread) => thread.close()));
  }

  private addToBatch(file: FoundFile): void {
    this.batch.push(file);
    this.batchedBytes += file.identity.sizeBytes;
    if (this.batch.length < batchFiles && this.batchedBytes < batchBytes) return;
    this.batches.push(this.batch);
    this.batch = [];
    this.batchedBytes = 0;
  }

  private isWorthThreads(): boolean {
    if (availableParallelism() < 2) return false;
    return this.files >= worthFiles || (this.files > 1 && this.bytes >= worthBytes);
  }

  private send(): void {
    for (const thread of this.threads ?? []) {
      while (thread.asked < batchesAhead) {
        const batch = this.batches.shift();
        if (!batch) return;
        const answer = this.takeAll(thread.ask(this.options.root, batch));
        // It may fail before anybody waits for it.
        answer.catch(() => undefined);
        this.answers.push(answer);
      }
    }
  }

  private async takeAll(asked: Promise<readonly Outcome[]>): Promise<void> {
    const outcomes = await asked;
    this.send();
    for (const [file, digest] of outcomes) {
      if (digest) this.options.keep({ file, digest });
      else await this.take(file);
    }
  }

  private now(file: FoundFile): string | undefined {
    return readNow(this.options.root, file);
  }

  /** @param digest if it is known */
  private async take(file: FoundFile, digest?: string): Promise<void> {
    const { root, keep } = this.options;
    const digested = digest ? { file, digest } : await readDigest(root, file);
    if (digested) keep(digested);
  }
}

function startThreads(): DigestThread[] {
  const count = Math.min(mostThreads, availableParallelism() - 1);
  return Array.from({ length: count }, () => new DigestThread());
}
