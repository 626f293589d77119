import { type FileHandle, open } from 'node:fs/promises';

/** A container as far as it is here. Whoever got it by `use` (or opened it) releases it. */
export interface ReadableContainer {
  readonly sizeBytes: number;
  /** How far it can be read from `offset` on; waits for something, but not for ever. */
  readable(offset: number, waitMs: number): Promise<number>;
  /** Some of what is there from `offset` on, `length` bytes at most; nothing: there is none. */
  read(offset: number, length: number): Promise<Uint8Array>;
  use(): this;
  release(): Promise<void>;
}

/** How many files stay open for the next request. */
const mostOpen = 8;

/** Whole containers; those asked for last stay open. */
export class WholeContainers {
  private readonly opened = new Map<string, Promise<WholeContainer | undefined>>();

  /** @returns the container in use, or nothing where there is no such file */
  async open(path: string): Promise<ReadableContainer | undefined> {
    const opening = this.opened.get(path) ?? openWhole(path);
    this.opened.delete(path);
    this.opened.set(path, opening);
    const container = (await opening)?.use();
    if (!container) this.opened.delete(path);
    for (const oldest of this.opened.keys()) {
      if (this.opened.size <= mostOpen) break;
      await this.close(oldest);
    }
    return container;
  }

  /** The file has gone or will. */
  async close(path: string): Promise<void> {
    const opening = this.opened.get(path);
    this.opened.delete(path);
    await (await opening)?.release();
  }

  async closeAll(): Promise<void> {
    for (const path of [...this.opened.keys()]) await this.close(path);
  }
}

class WholeContainer implements ReadableContainer {
  private users = 1;

  constructor(
    private readonly file: FileHandle,
    readonly sizeBytes: number,
  ) {}

  async readable(): Promise<number> {
    return this.sizeBytes;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafe(length);
    const { bytesRead } = await this.file.read(bytes, 0, length, offset);
    return bytes.subarray(0, bytesRead);
  }

  use(): this {
    this.users++;
    return this;
  }

  async release(): Promise<void> {
    this.users--;
    if (this.users === 0) await this.file.close();
  }
}

async function openWhole(path: string): Promise<WholeContainer | undefined> {
  try {
    const file = await open(path, 'r');
    return new WholeContainer(file, (await file.stat()).size);
  } catch {
    return undefined;
  }
}
