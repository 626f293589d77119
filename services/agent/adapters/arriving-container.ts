import type { FileHandle } from 'node:fs/promises';
import {
  type AssignmentHead,
  blockBytes,
  blockRange,
  openHead,
  parsePreamble,
  preambleBytes,
  verifyBlock,
} from '#libs/assignment/container.js';
import { AssignmentRefused } from '#libs/assignment/errors.js';
import type { Clock } from '#libs/clock/clock.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';
import { SpoolFailed } from './pull-request.js';
import type { ReadableContainer } from './readable-container.js';
import { RecentBlocks } from './recent-blocks.js';

/** Thrown for bytes that are not those that were signed. */
export class WrongBytes extends Error {
  override readonly name = 'WrongBytes';
}

const theHead = -1;

/**
 * A container on its way into a part file, in any order. What is here has been verified and may be
 * read by others at once: from memory, where it has just come.
 */
export class ArrivingContainer implements ReadableContainer {
  head: AssignmentHead | undefined;
  private have = new Uint8Array(0);
  private missing = Number.POSITIVE_INFINITY;
  /** Block (or `theHead`) -> who waits for it. */
  private readonly waiting = new Map<number, Set<() => void>>();
  private isClosed = false;
  private users = 1;
  private readonly blocks: RecentBlocks;

  constructor(
    private readonly file: FileHandle,
    readonly containerBytes: number,
    private readonly trust: TrustRoot,
    private readonly clock: Clock,
  ) {
    this.blocks = new RecentBlocks((bytes, index) => this.writeBlocks(bytes, index));
  }

  get sizeBytes(): number {
    return this.containerBytes;
  }

  get isWhole(): boolean {
    return this.missing === 0;
  }

  hasBlock(index: number): boolean {
    return this.have[index] === 1;
  }

  /** What an earlier attempt left on disk, verified again. */
  async resume(): Promise<void> {
    const head = await this.headOnDisk();
    if (!head) return;
    this.begin(head);
    const { blockCount } = head.layout;
    for (let index = 0; index < blockCount; index++) {
      const { offset, length } = blockRange(head.layout, index);
      const block = await this.readAt(offset, length);
      if (block.length === 0) break;
      if (verifyBlock(head, index, block)) this.mark(index);
    }
  }

  /** @throws WrongBytes, AssignmentRefused, SpoolFailed */
  async keepHead(bytes: Uint8Array, assignmentId: string | undefined): Promise<void> {
    if (this.head) return;
    const head = openHead(bytes, this.trust);
    if (head.layout.containerBytes !== this.containerBytes) {
      throw new WrongBytes('the length is not as announced');
    }
    if (assignmentId !== undefined && head.header.assignmentId !== assignmentId) {
      throw new WrongBytes(`this is assignment ${head.header.assignmentId}`);
    }
    const { expiresAtMs, assignmentId: id } = head.header;
    if (expiresAtMs > 0n && this.clock.nowMs() > Number(expiresAtMs)) {
      throw new AssignmentRefused('expired', `assignment ${id} expired on its way`);
    }
    await this.write([bytes], 0);
    this.begin(head);
    this.wake(theHead);
  }

  /** Waits only while much is not written yet. @throws WrongBytes, SpoolFailed */
  async keepBlock(index: number, bytes: Uint8Array): Promise<void> {
    const { head } = this;
    if (!head) throw new WrongBytes('a block came before the head');
    if (this.hasBlock(index)) return;
    if (!verifyBlock(head, index, bytes)) {
      throw new WrongBytes(`block ${index} is not the one that was signed`);
    }
    const room = this.blocks.add(index, bytes);
    this.mark(index);
    this.wake(index);
    await room;
  }

  /** Resolves when everything that came is in the file. @throws SpoolFailed */
  written(): Promise<void> {
    return this.blocks.written();
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const { headBytes = 0 } = this.head?.layout ?? {};
    const within = (offset - headBytes) % blockBytes;
    const block = this.blocks.get(Math.floor((offset - headBytes) / blockBytes));
    if (offset < headBytes || !block) return this.readAt(offset, length);
    return block.subarray(within, within + length);
  }

  use(): this {
    this.users++;
    return this;
  }

  /** The file is closed when nobody reads any more. */
  async release(): Promise<void> {
    this.users--;
    if (this.users === 0) await this.file.close();
  }

  /** How far the container can be read from `offset` on; `offset` itself when it is not here. */
  readableTo(offset: number): number {
    const { head } = this;
    if (!head) return offset;
    const { headBytes, blockCount } = head.layout;
    let block = this.blockAt(offset);
    if (offset >= headBytes && !this.hasBlock(block)) return offset;
    while (block < blockCount && this.hasBlock(block)) block++;
    return Math.min(headBytes + block * blockBytes, this.containerBytes);
  }

  /** As `readableTo`, once there is something; gives up after `waitMs` or when this ends. */
  async readable(offset: number, waitMs: number): Promise<number> {
    const untilMs = this.clock.nowMs() + waitMs;
    for (;;) {
      const end = this.readableTo(offset);
      const leftMs = untilMs - this.clock.nowMs();
      if (end > offset || this.isClosed || leftMs <= 0) return end;
      await this.change(this.head ? this.blockAt(offset) : theHead, leftMs);
    }
  }

  /** Nothing more will come; whoever waits stops waiting. */
  close(): void {
    this.isClosed = true;
    for (const what of [...this.waiting.keys()]) this.wake(what);
  }

  private blockAt(offset: number): number {
    const { headBytes = 0 } = this.head?.layout ?? {};
    return Math.max(0, Math.floor((offset - headBytes) / blockBytes));
  }

  private change(what: number, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.waiting.get(what) ?? new Set();
      this.waiting.set(what, waiting);
      const done = () => {
        cancel();
        waiting.delete(done);
        resolve();
      };
      const cancel = this.clock.schedule(waitMs, done);
      waiting.add(done);
    });
  }

  private wake(what: number): void {
    const waiting = this.waiting.get(what);
    this.waiting.delete(what);
    for (const done of waiting ?? []) done();
  }

  private begin(head: AssignmentHead): void {
    this.head = head;
    this.have = new Uint8Array(head.layout.blockCount);
    this.missing = head.layout.blockCount;
  }

  private mark(index: number): void {
    if (this.hasBlock(index)) return;
    this.have[index] = 1;
    this.missing--;
  }

  private async headOnDisk(): Promise<AssignmentHead | undefined> {
    try {
      const layout = parsePreamble(await this.readAt(0, preambleBytes));
      if (layout.containerBytes !== this.containerBytes) return undefined;
      return openHead(await this.readAt(0, layout.headBytes), this.trust);
    } catch {
      return undefined;
    }
  }

  private writeBlocks(blocks: Uint8Array[], firstIndex: number): Promise<void> {
    const { layout } = this.head as AssignmentHead;
    return this.write(blocks, blockRange(layout, firstIndex).offset);
  }

  /** A disk that fills up takes a part of what it is given before it refuses. */
  private async write(pieces: readonly Uint8Array[], offset: number): Promise<void> {
    try {
      let at = offset;
      for (const bytes of pieces.length > 1 ? [Buffer.concat(pieces)] : pieces) {
        for (let done = 0; done < bytes.length; ) {
          const { bytesWritten } = await this.file.write(bytes, done, bytes.length - done, at);
          done += bytesWritten;
          at += bytesWritten;
        }
      }
    } catch (cause) {
      const reason = (cause as Error).message;
      throw new SpoolFailed(`the spool does not take the assignment: ${reason}`, { cause });
    }
  }

  private async readAt(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    const { bytesRead } = await this.file.read(bytes, 0, length, offset);
    return bytes.subarray(0, bytesRead);
  }
}
