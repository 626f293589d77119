import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import { DomainError } from '#libs/contracts/index.js';
import { type ArchivedEvent, type EventArchive, merged } from '../archived-log.js';

const suffix = '.events.gz';

/** An archive file that is not what was written. */
export class DamagedArchive extends DomainError {
  override readonly name = 'DamagedArchive';
  constructor(path: string, reason: string) {
    super(`the archive ${path} is damaged: ${reason}`, 'restore it from a backup');
  }
}

/** Archived events as compressed files of a directory: `<first>-<last>-<digest>.events.gz`. */
export class ArchiveFiles implements EventArchive {
  constructor(private readonly directory: string) {}

  async lastSequence(): Promise<number> {
    const names = await this.names();
    return Math.max(0, ...names.map((name) => Number(name.split('-')[1])));
  }

  async *events(afterSequence: number): AsyncGenerator<ArchivedEvent> {
    let all: AsyncIterable<ArchivedEvent> = nothing();
    for (const name of await this.names()) {
      if (Number(name.split('-')[1]) <= afterSequence) continue;
      all = merged(all, this.read(name));
    }
    for await (const event of all) if (event.sequence > afterSequence) yield event;
  }

  async sizes(): Promise<{ files: number; bytes: number; events: number }> {
    const names = await this.names();
    const stats = await Promise.all(names.map((name) => stat(join(this.directory, name))));
    const events = names.reduce((sum, name) => sum + Number(name.split('-')[2]), 0);
    return { files: names.length, bytes: stats.reduce((sum, { size }) => sum + size, 0), events };
  }

  /**
   * Writes events, in the order of the log, as one new file, and reads it again: it is whole and on
   * disk when this resolves. @returns its name and size
   */
  async write(events: readonly ArchivedEvent[]): Promise<{ name: string; bytes: number }> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    const temporary = join(this.directory, `new-${process.pid}`);
    const text = events.map(({ sequence, body }) => `${JSON.stringify({ sequence, body })}\n`);
    const digest = digestOf(text);
    const file = await open(temporary, 'w', 0o600);
    try {
      const zip = createGzip();
      zip.end(text.join(''));
      for await (const chunk of zip) await file.write(chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    const [first, last] = [events[0]?.sequence ?? 0, events.at(-1)?.sequence ?? 0];
    const name = `${first}-${last}-${events.length}-${digest}${suffix}`;
    await rename(temporary, join(this.directory, name));
    await syncDirectory(this.directory);
    try {
      for await (const _event of this.read(name));
    } catch (error) {
      await rm(join(this.directory, name), { force: true });
      throw error;
    }
    return { name, bytes: (await stat(join(this.directory, name))).size };
  }

  /** @throws DamagedArchive at its end, when its digest is not that of its name */
  private async *read(name: string): AsyncGenerator<ArchivedEvent> {
    const path = join(this.directory, name);
    const hash = createHash('sha256');
    try {
      const text = pipeline(createReadStream(path), createGunzip(), () => undefined);
      for await (const line of createInterface({ input: text })) {
        hash.update(`${line}\n`);
        yield JSON.parse(line) as ArchivedEvent;
      }
    } catch (error) {
      throw new DamagedArchive(path, String(error));
    }
    if (!name.includes(hash.digest('hex').slice(0, 32))) {
      throw new DamagedArchive(path, 'its content has another digest');
    }
  }

  private async names(): Promise<string[]> {
    const names = await readdir(this.directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    return names.filter((name) => name.endsWith(suffix)).sort();
  }
}

function digestOf(lines: readonly string[]): string {
  const hash = createHash('sha256');
  for (const line of lines) hash.update(line);
  return hash.digest('hex').slice(0, 32);
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function* nothing(): AsyncGenerator<ArchivedEvent> {}
