import { createHash } from 'node:crypto';
import { closeSync, constants, fchmodSync, futimesSync, openSync, writeSync } from 'node:fs';
import type { FileEntry } from '#libs/content-store/manifest.js';
import { WrongContent } from '../errors.js';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;
const deniedAtCreation = process.umask();

/** A file with an inode of its own; hashed and counted while it is written. */
export class NewFile {
  private readonly fd: number;
  private readonly hash = createHash('sha256');
  private sizeBytes = 0;

  constructor(
    path: string,
    private readonly entry: FileEntry,
  ) {
    this.fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, entry.mode);
  }

  /** @throws WrongContent as soon as there is more than declared */
  write(bytes: Uint8Array): void {
    this.sizeBytes += bytes.length;
    if (this.sizeBytes > this.entry.sizeBytes) {
      throw this.wrong(`has more than the declared ${this.entry.sizeBytes} bytes`);
    }
    this.hash.update(bytes);
    for (let done = 0; done < bytes.length; ) done += writeSync(this.fd, bytes, done);
  }

  /** Gives the file its mode and time. @throws WrongContent when the bytes are not those signed */
  finish(): void {
    const { sizeBytes, digest, mode, mtimeMs } = this.entry;
    if (this.sizeBytes !== sizeBytes) {
      throw this.wrong(`has ${this.sizeBytes} bytes, not the declared ${sizeBytes}`);
    }
    const actual = this.hash.digest('hex');
    if (actual !== digest) throw this.wrong(`has the digest ${actual}, not ${digest}`);
    if ((mode & deniedAtCreation) !== 0) fchmodSync(this.fd, mode);
    const time = fileTime(mtimeMs);
    futimesSync(this.fd, time, time);
  }

  close(): void {
    closeSync(this.fd);
  }

  private wrong(problem: string): WrongContent {
    return new WrongContent(this.entry.path, problem);
  }
}

/**
 * Seconds, as text because Node takes negative numbers for "now". Half a microsecond more, so
 * that a binary fraction just below the millisecond is not cut to the one before.
 */
export function fileTime(timeMs: number): string {
  return String((timeMs + 0.0005) / 1000);
}

/** Gives a file that was copied its mode and time; never what a link in its place names. */
export function setStatus(path: string, mode: number, mtimeMs: number): void {
  const fd = openSync(path, O_RDONLY | O_NOFOLLOW);
  try {
    fchmodSync(fd, mode);
    futimesSync(fd, fileTime(mtimeMs), fileTime(mtimeMs));
  } finally {
    closeSync(fd);
  }
}
