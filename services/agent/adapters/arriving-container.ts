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
import type { Clock } from '#libs/clock/clock.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';
import { SpoolFailed } from './pull-request.js';

/** Thrown for bytes that are not those that were signed. */
export class WrongBytes extends Error {
  override readonly name = 'WrongBytes';
}

/**
 * A container on its way into a part file, in any order. What is here has been verified and may be
 * read by others at once.
 */
export class ArrivingContainer {
  head: AssignmentHead | undefined;
  private have = new Uint8Array(0);
  private missing = Number.POSITIVE_INFINITY;
  private readonly waiting = new Set<() => void>();
  private isClosed = false;

  constructor(
    private readonly file: FileHandle,
    readonly containerBytes: number,
    private readonly trust: TrustRoot,
    private readonly clock: Clock,
  ) {}

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
    await this.write(bytes, 0);
    this.begin(head);
    this.wake();
  }

  /** @throws WrongBytes, SpoolFailed */
  async keepBlock(index: number, bytes: Uint8Array): Promise<void> {
    const { head } = this;
    if (!head) throw new WrongBytes('a block came before the head');
    if (this.hasBlock(index)) return;
    if (!verifyBlock(head, index, bytes)) {
      throw new WrongBytes(`block ${index} is not the one that was signed`);
    }
    await this.write(bytes, blockRange(head.layout, index).offset);
    this.mark(index);
    this.wake();
  }

  /** How far the container can be read from `offset` on; `offset` itself when it is not here. */
  readableTo(offset: number): number {
    const { head } = this;
    if (!head) return offset;
    const { headBytes, blockCount } = head.layout;
    let block = Math.max(0, Math.floor((offset - headBytes) / blockBytes));
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
      await this.change(leftMs);
    }
  }

  /** Nothing more will come; whoever waits stops waiting. */
  close(): void {
    this.isClosed = true;
    this.wake();
  }

  private change(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        this.waiting.delete(done);
        resolve();
      };
      const cancel = this.clock.schedule(waitMs, done);
      this.waiting.add(done);
    });
  }

  private wake(): void {
    for (const done of [...this.waiting]) done();
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

  /** A disk that fills up takes a part of what it is given before it refuses. */
  private async write(bytes: Uint8Array, offset: number): Promise<void> {
    try {
      for (let written = 0; written < bytes.length; ) {
        const rest = bytes.length - written;
        const { bytesWritten } = await this.file.write(bytes, written, rest, offset + written);
        written += bytesWritten;
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
