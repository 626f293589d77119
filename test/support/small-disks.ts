import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Whether this process may mount. */
export function canMount(): boolean {
  if (process.getuid?.() !== 0) return false;
  const at = mkdtempSync(join(tmpdir(), 'espalier-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', at], { stdio: 'ignore' });
    execFileSync('umount', [at]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(at, { recursive: true, force: true });
  }
}

/** A disk in memory with these limits, as `size=1m,nr_inodes=40`. */
export function mountSmallDisk(at: string, limits: string) {
  execFileSync('mount', ['-t', 'tmpfs', '-o', limits, 'tmpfs', at]);
  return { unmount: () => execFileSync('umount', ['-l', at]) };
}

/** An ext4 file system with a journal, in a file: what the kernel does to it is what it does. */
export class JournalledDisk {
  private readonly image: string;

  constructor(
    directory: string,
    private readonly at: string,
  ) {
    this.image = join(directory, 'disk.img');
    writeFileSync(this.image, '');
    truncateSync(this.image, 16 * 2 ** 20);
    execFileSync('mkfs.ext4', ['-q', '-F', this.image]);
    this.mount();
  }

  /** As after an error of the disk: read-only from now on, whatever is open. */
  abort(): void {
    execFileSync('mount', ['-o', 'remount,abort', this.at]);
  }

  /** What an administrator does then. */
  repair(): void {
    this.unmount();
    try {
      execFileSync('e2fsck', ['-fp', this.image], { stdio: 'ignore' });
    } catch (error) {
      // 1: errors were corrected.
      if ((error as { status?: number }).status !== 1) throw error;
    }
    this.mount();
  }

  unmount(): void {
    execFileSync('umount', [this.at]);
  }

  private mount(): void {
    execFileSync('mount', ['-o', 'loop', this.image, this.at]);
  }
}

/** Whether this process may also make and mount file systems in files. */
export function canMountImages(): boolean {
  if (!canMount()) return false;
  const directory = mkdtempSync(join(tmpdir(), 'espalier-mount-'));
  const at = mkdtempSync(join(directory, 'at-'));
  try {
    new JournalledDisk(directory, at).unmount();
    return true;
  } catch {
    return false;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
