import {
  blockBytes,
  blockRange,
  type ContainerLayout,
  layoutOf,
  parsePreamble,
  preambleBytes,
} from '#libs/assignment/container.js';
import { AssignmentRefused } from '#libs/assignment/errors.js';
import { hashBytes } from '#libs/assignment/merkle.js';
import type { Clock } from '#libs/clock/clock.js';
import type { PeerHttp } from '#libs/fleet-http/adapters/peer-http.js';
import { type LinkGate, weightOf } from '#libs/tree/link-gate.js';
import { type ArrivingContainer, WrongBytes } from './arriving-container.js';
import { type Patience, type PullRequest, SourcesExhausted } from './pull-request.js';
import { fetchRange, type RangeRequest, SourceFailed } from './range-source.js';
import { SourceList } from './source-list.js';
import { type BlockPull, type FetchedRange, StripesFetch } from './stripes-fetch.js';

/** What came from one source. */
export interface LinkUse {
  readonly url: string;
  readonly bytes: number;
  readonly durationMs: number;
}

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

/** One container on its way from its sources into the spool. */
export class Transfer implements BlockPull {
  retries = 0;
  /** Once the head is here. */
  layout: ContainerLayout = layoutOf(0, 0);
  private readonly sources: SourceList[];
  private readonly used = new Map<string, { bytes: number; startedMs: number; endedMs: number }>();
  private readonly bad = new Set<string>();
  private lastProgressMs: number;
  private lastFailure = 'there is no source';

  constructor(
    private readonly arriving: ArrivingContainer,
    private readonly request: PullRequest,
    readonly clock: Clock,
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
    this.layout = this.arriving.head.layout;
    await new StripesFetch(this, this.sources).run();
  }

  hasBlock(index: number): boolean {
    return this.arriving.hasBlock(index);
  }

  async keep(index: number, block: Uint8Array): Promise<void> {
    await this.arriving.keepBlock(index, block);
    this.lastProgressMs = this.clock.nowMs();
  }

  blame(url: string): void {
    this.bad.add(url);
  }

  /** One try with the best source; its failure is noted, not thrown. @throws SourcesExhausted */
  async attempt(
    sources: SourceList,
    fetch: (url: string, patience: Patience) => Promise<void>,
  ): Promise<void> {
    const url = await sources.next();
    if (url === undefined || this.clock.nowMs() - this.lastProgressMs > hopelessMs) {
      throw new SourcesExhausted(`no source gave ${this.request.digest}: ${this.lastFailure}`);
    }
    const startedMs = this.clock.nowMs();
    try {
      await fetch(url, this.patienceWith(sources, url));
      sources.succeeded(url);
    } catch (error) {
      this.failed(sources, url, error, this.clock.nowMs() - startedMs);
    }
  }

  private patienceWith(sources: SourceList, url: string): Patience {
    const isPlanned = sources.isPlanned(url);
    const usual = { waitMs: isPlanned ? plannedWaitMs : backupWaitMs, stallMs: firstStallMs };
    const { waitMs, stallMs } = (isPlanned && this.request.firstPatience) || usual;
    return { waitMs, stallMs: stallMs * 2 ** sources.failuresOf(url) };
  }

  /** What is the source's fault leads to another one; a full disk or an expiry ends the pull. */
  private failed(sources: SourceList, url: string, error: unknown, costMs: number): void {
    const isRefused = error instanceof AssignmentRefused && error.reason !== 'expired';
    const isWrong = error instanceof WrongBytes || isRefused;
    if (!isWrong && !(error instanceof SourceFailed)) throw error;
    this.retries++;
    this.lastFailure = isWrong ? `${url}: ${error.message}` : error.message;
    if (isWrong) this.blame(url);
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
      await this.fetch({ url, offset: bytes.length, length, ...patience }, take);
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

  /** A limited downlink is kept by asking for no more than it may carry. */
  async turn(bytes: number): Promise<void> {
    const { digest, containerBytes } = this.request;
    const passed = await this.downlink?.pass(digest, weightOf(containerBytes), bytes);
    passed?.();
  }

  fetch(what: FetchedRange, take: RangeRequest['onBytes']): Promise<void> {
    const { url } = what;
    const { digest, asMember, traceparent } = this.request;
    const startedMs = this.clock.nowMs();
    const onBytes = (bytes: Uint8Array) => {
      const endedMs = this.clock.nowMs();
      const use = this.used.get(url) ?? { bytes: 0, startedMs, endedMs };
      this.used.set(url, { ...use, bytes: use.bytes + bytes.length, endedMs });
      return take(bytes);
    };
    const request = { ...what, digest, asMember, traceparent, onBytes };
    return fetchRange(request, this.http, this.clock);
  }
}

function hasHead(bytes: Uint8Array): boolean {
  return bytes.length >= preambleBytes && bytes.length >= parsePreamble(bytes).headBytes;
}
