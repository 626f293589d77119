import { type FileHandle, open } from 'node:fs/promises';
import { create } from '@bufbuild/protobuf';
import { type Compression, type DataSlice, DataSliceSchema } from '#libs/contracts/index.js';
import { newMemory } from '#libs/native/work-memory.js';

/** Content as it stands in the data file. */
export interface StoredContent {
  readonly compression: Compression;
  readonly bytes: Uint8Array | AsyncIterable<Uint8Array>;
}

/** Less is collected before it is written: thousands of files have a few hundred bytes each. */
const bufferBytes = 256 * 1024;

/** A data file that is being written, slice after slice. */
export class DataFile {
  private appended = 0;
  private readonly buffer = newMemory(bufferBytes);
  private buffered = 0;

  private constructor(private readonly file: FileHandle) {}

  /** An existing file is replaced. */
  static async create(path: string): Promise<DataFile> {
    return new DataFile(await open(path, 'w'));
  }

  get sizeBytes(): number {
    return this.appended;
  }

  async append({ compression, bytes }: StoredContent): Promise<DataSlice> {
    const offset = this.appended;
    if (bytes instanceof Uint8Array) await this.add(bytes);
    else for await (const chunk of bytes) await this.add(chunk);
    const length = BigInt(this.appended - offset);
    return create(DataSliceSchema, { offset: BigInt(offset), length, compression });
  }

  /** Everything is in the file after this. */
  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.file.close();
    }
  }

  private async add(chunk: Uint8Array): Promise<void> {
    if (this.buffered + chunk.length > bufferBytes) await this.flush();
    if (chunk.length > bufferBytes) await this.write(chunk);
    else {
      this.buffer.set(chunk, this.buffered);
      this.buffered += chunk.length;
    }
    this.appended += chunk.length;
  }

  private async flush(): Promise<void> {
    await this.write(this.buffer.subarray(0, this.buffered));
    this.buffered = 0;
  }

  private async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) at += (await this.file.write(bytes, at)).bytesWritten;
  }
}
