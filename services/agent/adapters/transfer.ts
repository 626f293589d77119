import {
  blockBytes,
  blockRange,
  parsePreamble,
  preambleBytes,
} from '#libs/assignment/container.js';
import { AssignmentRefused } from '#libs/assignment/errors.js';
import { hashBytes } from '#libs/assignment/merkle.js';
import { type Clock, sleep } from '#libs/clock/clock.js';
import type { PeerHttp } from '#libs/fleet-http/adapters/peer-http.js';
import { type Batch, BatchBoard } from '#libs/tree/batches.js';
import { type LinkGate, weightOf } from '#libs/tree/link-gate.js';
import { type ArrivingContainer, WrongBytes } from './arriving-container.js';
import { BlockCutter } from './block-cutter.js';
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
/** A source that has not got what it was asked for is not asked at once again. */
const askAgainMs = 100;
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
  /** Lanes that have nothing to do. */
  private readonly idle: (() => void)[] = [];
  /** What ends the pull: all lanes stop before it is thrown. */
  private failure: unknown;

  constructor(
    private readonly arriving: ArrivingContainer,
    private readonly request: PullRequest,
    private readonly clock: Clock,
    private readonly http: PeerHttp,
    private readonly downlink?: LinkGate,
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
    const [first = new SourceList([], this.bad, this.clock)] = this.sources;
    while (!this.arriving.head) {
      await this.attempt(first, (url, patience) => this.fetchHead(url, patience));
    }
    const { blockCount } = this.arriving.head.layout;
    const count = this.sources.length;
    const board = new BatchBoard(blockCount, count, (index) => this.arriving.hasBlock(index));
    const perStripe = count === 1 ? lanesOfOneStripe : lanesOfEach;
    const lanes = this.sources.flatMap((_, stripe) =>
      Array.from({ length: perStripe }, () => this.lane(board, stripe)),
    );
    await Promise.all(lanes);
    if (this.failure !== undefined) throw this.failure;
  }

  /** Fetches batches of its stripe; when there are none for now, helps another stripe. */
  private async lane(board: BatchBoard, stripe: number): Promise<void> {
    const sources = this.sources[stripe] as SourceList;
    while (!board.isDone && this.failure === undefined) {
      const own = board.take(stripe);
      if (own) {
        await this.bring(board, own, () =>
          this.attempt(sources, (url, patience) => this.fetchBatch(url, own, patience)),
        );
        continue;
      }
      const helper = sources.helper();
      const other = helper === undefined ? undefined : board.takeAny();
      if (helper === undefined || !other) {
        await this.change();
        continue;
      }
      let hasIt = false;
      await this.bring(board, other, async () => {
        hasIt = await this.help(helper, other);
      });
      if (!hasIt) await sleep(this.clock, askAgainMs);
    }
  }

  private async bring(board: BatchBoard, batch: Batch, fetch: () => Promise<void>): Promise<void> {
    try {
      await fetch();
    } catch (error) {
      this.failure ??= error;
    }
    let next = batch.firstBlock;
    while (next < batch.endBlock && this.arriving.hasBlock(next)) next++;
    board.putBack(batch, next);
    for (const wake of this.idle.splice(0)) wake();
  }

  /** Another lane's batch came or failed. */
  private change(): Promise<void> {
    return new Promise((resolve) => this.idle.push(resolve));
  }

  /** Asks a source that has nothing else to send for a batch of another stripe, if it has it. */
  private async help(url: string, batch: Batch): Promise<boolean> {
    try {
      await this.fetchBatch(url, batch, { waitMs: 0, stallMs: firstStallMs });
      return true;
    } catch (error) {
      if (error instanceof WrongBytes) this.bad.add(url);
      else if (!(error instanceof SourceFailed)) throw error;
      return false;
    }
  }

  /** One try with the best source; its failure is noted, not thrown. @throws SourcesExhausted */
  private async attempt(
    sources: SourceList,
    fetch: (url: string, patience: Patience) => Promise<void>,
  ): Promise<void> {
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

  /** What is the source's fault leads to another one; a full disk or an expiry ends the pull. */
  private failed(sources: SourceList, url: string, error: unknown, costMs: number): void {
    const isRefused = error instanceof AssignmentRefused && error.reason !== 'expired';
    const isWrong = error instanceof WrongBytes || isRefused;
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
    const take = (more: Uint8Array) => {
      bytes = Buffer.concat([bytes, more]);
      return !isSmall && hasHead(bytes) ? 'enough' : 'more';
    };
    while (!this.arriving.head) {
      const length = Math.min(containerBytes, bytes.length + wanted) - bytes.length;
      if (length <= 0) throw new WrongBytes('the container ends within its head');
      await this.fetch(url, bytes.length, length, patience, take);
      await this.keepStart(bytes);
    }
  }

  /** What is whole of the container's first bytes: the head, then blocks. */
  private async keepStart(bytes: Uint8Array): Promise<void> {
    if (!hasHead(bytes)) return;
    const { headBytes } = parsePreamble(bytes);
    await this.arriving.keepHead(bytes.subarray(0, headBytes), this.request.assignmentId);
    const layout = this.arriving.head?.layout;
    for (let index = 0; layout && index < layout.blockCount; index++) {
      const { offset, length } = blockRange(layout, index);
      if (offset + length > bytes.length) return;
      await this.arriving.keepBlock(index, bytes.subarray(offset, offset + length));
      this.lastProgressMs = this.clock.nowMs();
    }
  }

  /** The blocks of a batch, each kept as soon as it is whole. */
  private async fetchBatch(url: string, batch: Batch, patience: Patience): Promise<void> {
    const layout = this.arriving.head?.layout;
    if (!layout) return;
    const first = blockRange(layout, batch.firstBlock);
    const last = blockRange(layout, batch.endBlock - 1);
    const cutter = new BlockCutter(
      batch.firstBlock,
      batch.endBlock,
      (index) => blockRange(layout, index).length,
      (index, block) => this.keep(index, block),
    );
    const take = (bytes: Uint8Array) => {
      cutter.take(bytes);
      return 'more' as const;
    };
    try {
      const length = last.offset + last.length - first.offset;
      await this.turn(length);
      await this.fetch(url, first.offset, length, patience, take);
    } finally {
      await cutter.done();
    }
  }

  /** A limited downlink is kept by asking for no more than it may carry. */
  private async turn(bytes: number): Promise<void> {
    const { digest, containerBytes } = this.request;
    const passed = await this.downlink?.pass(digest, weightOf(containerBytes), bytes);
    passed?.();
  }

  private async keep(index: number, block: Uint8Array): Promise<void> {
    await this.arriving.keepBlock(index, block);
    this.lastProgressMs = this.clock.nowMs();
  }

  private fetch(
    url: string,
    offset: number,
    length: number,
    patience: Patience,
    take: RangeRequest['onBytes'],
  ): Promise<void> {
    const { digest, asMember, traceparent } = this.request;
    const startedMs = this.clock.nowMs();
    const onBytes = (bytes: Uint8Array) => {
      const endedMs = this.clock.nowMs();
      const use = this.used.get(url) ?? { bytes: 0, startedMs, endedMs };
      this.used.set(url, { ...use, bytes: use.bytes + bytes.length, endedMs });
      return take(bytes);
    };
    const what = { url, digest, offset, length, asMember, traceparent };
    return fetchRange({ ...what, onBytes, ...patience }, this.http, this.clock);
  }
}

function hasHead(bytes: Uint8Array): boolean {
  return bytes.length >= preambleBytes && bytes.length >= parsePreamble(bytes).headBytes;
}
