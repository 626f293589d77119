import { type FileHandle, open } from 'node:fs/promises';
import { create } from '@bufbuild/protobuf';
import { type Compression, type DataSlice, DataSliceSchema } from '#libs/contracts/index.js';

/** Content as it stands in the data file. */
export interface StoredContent {
  readonly compression: Compression;
  readonly bytes: Uint8Array | AsyncIterable<Uint8Array>;
}

/** A data file that is being written, slice after slice. */
export class DataFile {
  private written = 0;

  private constructor(private readonly file: FileHandle) {}

  /** An existing file is replaced. */
  static async create(path: string): Promise<DataFile> {
    return new DataFile(await open(path, 'w'));
  }

  get sizeBytes(): number {
    return this.written;
  }

  async append({ compression, bytes }: StoredContent): Promise<DataSlice> {
    const offset = this.written;
    if (bytes instanceof Uint8Array) await this.write(bytes);
    else for await (const chunk of bytes) await this.write(chunk);
    const length = BigInt(this.written - offset);
    return create(DataSliceSchema, { offset: BigInt(offset), length, compression });
  }

  close(): Promise<void> {
    return this.file.close();
  }

  private async write(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      const { bytesWritten } = await this.file.write(chunk, at);
      at += bytesWritten;
      this.written += bytesWritten;
    }
  }
}
