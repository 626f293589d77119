import {
  blockBytes,
  blockRange,
  parsePreamble,
  preambleBytes,
} from '#libs/assignment/container.js';
import { AssignmentRefused } from '#libs/assignment/errors.js';
import { hashBytes } from '#libs/assignment/merkle.js';
import { type Clock, sleep } from '#libs/clock/clock.js';
import { type Batch, BatchBoard } from '#libs/tree/batches.js';
import { type ArrivingContainer, WrongBytes } from './arriving-container.js';
import { type PullRequest, SourcesExhausted } from './pull-request.js';
import { fetchRange, type RangeRequest, SourceFailed } from './range-source.js';
import { SourceList } from './source-list.js';

/** What came from one source. */
export interface LinkUse {
  readonly url: string;
  readonly bytes: number;
  readonly durationMs: number;
}

/** Requests that are under way for one stripe at a time, so that a link never runs dry. */
const lanesOfOneStripe = 4;
const lanesOfEach = 2;
/** A container up to this size comes in one piece. */
const smallBytes = 1024 * 1024;
/** What an envelope hardly ever exceeds. */
const envelopeBytes = 2 * 1024;
/** How long the planned source of a stripe may wait for what is on its way to it. */
const plannedWaitMs = 15_000;
/** Others may wait for each other, so they are not waited for long. */
const backupWaitMs = 1_000;
/** The time for 64 KiB, at first: a source that failed gets more. */
const firstStallMs = 10_000;
/** Without any block for so long the pull has failed. */
const hopelessMs = 180_000;

/** How long a source is waited for. */
type Patience = Pick<RangeRequest, 'waitMs' | 'stallMs'>;

/** One container on its way from its sources into the spool. */
export class Transfer {
  retries = 0;
  private readonly sources: SourceList[];
  private readonly used = new Map<string, { bytes: number; startedMs: number; endedMs: number }>();
  private readonly bad = new Set<string>();
  private lastProgressMs: number;
  private lastFailure = 'there is no source';
  private board: BatchBoard | undefined;
  private underWay = 0;
  /** Blocks that came with the head. */
  private keptBlocks = 0;
  /** What ends the pull: all lanes stop before it is thrown. */
  private failure: unknown;

  constructor(
    private readonly arriving: ArrivingContainer,
    private readonly request: PullRequest,
    private readonly clock: Clock,
  ) {
    this.lastProgressMs = clock.nowMs();
    const stripes = request.stripes?.length ? request.stripes : [request.sourceUrls];
    this.sources = stripes.map((urls) => new SourceList(urls, this.bad, clock));
  }

  links(): LinkUse[] {
    return [...this.used].map(([url, { bytes, startedMs, endedMs }]) => ({
      url,
      bytes,
      durationMs: endedMs - startedMs,
    }));
  }

  /** @throws SourcesExhausted */
  async run(): Promise<void> {
    while (!this.arriving.head)
      await this.attempt(0, (url, patience) => this.fetchHead(url, patience));
    const { blockCount } = this.arriving.head.layout;
    const count = this.sources.length;
    const board = new BatchBoard(blockCount, count, (index) => this.arriving.hasBlock(index));
    this.board = board;
    const perStripe = count === 1 ? lanesOfOneStripe : lanesOfEach;
    const lanes = this.sources.flatMap((_, stripe) =>
      Array.from({ length: perStripe }, () => this.lane(stripe)),
    );
    await Promise.all(lanes);
    if (this.failure !== undefined) throw this.failure;
  }

  /** Fetches batches of its stripe, then of others, until nothing is wanted. */
  private async lane(stripe: number): Promise<void> {
    const { board } = this;
    while (board && !this.arriving.isWhole && this.failure === undefined) {
      const own = board.take(stripe);
      const batch = own ?? board.takeAny();
      if (batch) await this.bring(batch, own ? stripe : batch.index % this.sources.length);
      else if (this.underWay > 0) await sleep(this.clock, lookAgainMs);
      else return;
    }
  }

  private async bring(batch: Batch, stripe: number): Promise<void> {
    this.underWay++;
    let next = batch.firstBlock;
    try {
      await this.attempt(stripe, async (url, patience) => {
        for await (const block of this.blocks(url, batch, patience)) {
          await this.arriving.keepBlock(next, block);
          next++;
          this.lastProgressMs = this.clock.nowMs();
        }
      });
    } catch (error) {
      this.failure ??= error;
    }
    this.underWay--;
    this.board?.putBack(batch, next);
  }

  /** One try with the best source; its failure is noted, not thrown. @throws SourcesExhausted */
  private async attempt(
    stripe: number,
    fetch: (url: string, patience: Patience) => Promise<void>,
  ): Promise<void> {
    const sources = this.sources[stripe] as SourceList;
    const url = await sources.next();
    if (url === undefined || this.clock.nowMs() - this.lastProgressMs > hopelessMs) {
      throw new SourcesExhausted(`no source gave ${this.request.digest}: ${this.lastFailure}`);
    }
    const startedMs = this.clock.nowMs();
    try {
      const waitMs = sources.isPlanned(url) ? plannedWaitMs : backupWaitMs;
      await fetch(url, { waitMs, stallMs: firstStallMs * 2 ** sources.failuresOf(url) });
      sources.succeeded(url);
    } catch (error) {
      this.failed(sources, url, error, this.clock.nowMs() - startedMs);
    }
  }

  /** What is the source's fault leads to another one; the rest (a full disk) ends the pull. */
  private failed(sources: SourceList, url: string, error: unknown, costMs: number): void {
    const isWrong = error instanceof WrongBytes || error instanceof AssignmentRefused;
    if (!isWrong && !(error instanceof SourceFailed)) throw error;
    this.retries++;
    this.lastFailure = isWrong ? `${url}: ${error.message}` : error.message;
    if (isWrong) this.bad.add(url);
    else sources.failed(url, costMs);
  }

  /** The head, as soon as it is whole; of a small container everything. */
  private async fetchHead(url: string, patience: Patience): Promise<void> {
    const { containerBytes } = this.request;
    const leavesBytes = Math.ceil(containerBytes / blockBytes) * hashBytes;
    const isSmall = containerBytes <= smallBytes;
    const wanted = isSmall ? containerBytes : envelopeBytes + leavesBytes;
    let bytes = Buffer.alloc(0);
    while (!this.arriving.head) {
      const length = Math.min(containerBytes, bytes.length + wanted) - bytes.length;
      if (length <= 0) throw new WrongBytes('the container ends within its head');
      for await (const chunk of this.fetch(url, bytes.length, length, patience)) {
        bytes = Buffer.concat([bytes, chunk]);
        await this.keepStart(bytes);
        if (this.arriving.head && !isSmall) return;
      }
    }
  }

  /** What is whole of the container's first bytes: the head, then blocks. */
  private async keepStart(bytes: Uint8Array): Promise<void> {
    if (!this.arriving.head) {
      if (bytes.length < preambleBytes) return;
      const { headBytes } = parsePreamble(bytes);
      if (bytes.length < headBytes) return;
      await this.arriving.keepHead(bytes.subarray(0, headBytes), this.request.assignmentId);
      this.keptBlocks = 0;
    }
    const layout = this.arriving.head?.layout;
    while (layout && this.keptBlocks < layout.blockCount) {
      const { offset, length } = blockRange(layout, this.keptBlocks);
      if (offset + length > bytes.length) return;
      await this.arriving.keepBlock(this.keptBlocks, bytes.subarray(offset, offset + length));
      this.keptBlocks++;
      this.lastProgressMs = this.clock.nowMs();
    }
  }

  /** The blocks of a batch, each as soon as it is whole. */
  private async *blocks(url: string, batch: Batch, patience: Patience): AsyncGenerator<Uint8Array> {
    const layout = this.arriving.head?.layout;
    if (!layout) return;
    const first = blockRange(layout, batch.firstBlock);
    const last = blockRange(layout, batch.endBlock - 1);
    const length = last.offset + last.length - first.offset;
    let index = batch.firstBlock;
    let block = Buffer.allocUnsafe(first.length);
    let filled = 0;
    for await (const chunk of this.fetch(url, first.offset, length, patience)) {
      for (let at = 0; at < chunk.length; ) {
        const part = chunk.subarray(at, at + block.length - filled);
        block.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled < block.length) continue;
        yield block;
        filled = 0;
        if (++index < batch.endBlock) block = Buffer.allocUnsafe(blockRange(layout, index).length);
      }
    }
  }

  private fetch(url: string, offset: number, length: number, patience: Patience) {
    const { digest, asMember } = this.request;
    const startedMs = this.clock.nowMs();
    const onBytes = (count: number) => {
      const endedMs = this.clock.nowMs();
      const use = this.used.get(url) ?? { bytes: 0, startedMs, endedMs };
      this.used.set(url, { ...use, bytes: use.bytes + count, endedMs });
    };
    const request = { url, digest, offset, length, asMember, onBytes, ...patience };
    return fetchRange(request, this.clock);
  }
}

const lookAgainMs = 20;
