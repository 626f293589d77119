import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import type { InterpreterPorts } from '#libs/interpreter/ports.js';
import { prepare } from '#libs/interpreter/prepare.js';
import { switchTo } from '#libs/interpreter/switch.js';
import { directory, file, TestAssignment } from '#libs/interpreter/test-commands.js';
import { canMount, mountSmallDisk } from '../support/small-disks.js';
import { memoryDirectory } from './switch-readers.js';

const ports: InterpreterPorts = {
  clock: systemClock,
  syncFilesystem: () => undefined,
  decodePatch: () => new Uint8Array(),
};
let path: string;
beforeEach(() => {
  path = mkdtempSync(join(memoryDirectory(), 'espalier-faults-'));
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

it('any call that changes the disk may fail: live is whole, a repetition works', async () => {
  const child = fileURLToPath(new URL('./disk-fault-child.js', import.meta.url));
  const codes = ['ENOSPC', 'EDQUOT', 'EROFS', 'EIO'];
  const process = fork(child, [path, ...codes], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // No fault can be put into what goes past Node's own calls.
    env: { ...globalThis.process.env, ESPALIER_NATIVE: 'off' },
  });
  const [results] = await Promise.race([
    once(process, 'message'),
    once(process, 'exit').then(([code]) => Promise.reject(new Error(`ended with ${code}`))),
  ]);
  const names = {
    ENOSPC: 'DiskFull',
    EDQUOT: 'QuotaExceeded',
    EROFS: 'ReadOnlyDisk',
    EIO: 'DiskFailure',
  };
  for (const [code, name] of Object.entries(names)) {
    expect(results[code].faults).toBeGreaterThan(15);
    expect(results[code].names).toEqual([name]);
  }
});

const mayMount = canMount();

describe('a disk that is really full', () => {
  const files = 12;
  const prepareFiles = async (root: string, sequence: number) => {
    const assignment = new TestAssignment().directory('d');
    const tree = [directory('d')];
    for (let number = 0; number < files; number++) {
      const name = `d/f${String(number).padStart(2, '0')}`;
      assignment.put(name, `content ${number}`);
      tree.push(file(name, `content ${number}`) as never);
    }
    const header = assignment.header([], tree, {
      sequence: BigInt(sequence),
      diskNeededBytes: 500n,
    });
    const input = { head: { header }, commands: assignment.commands, data: assignment };
    return prepare({ root, site: 'www', ...input }, ports);
  };

  if (!mayMount) {
    it('needs the right to mount; the same faults are injected above', () => {
      expect(canMount()).toBe(false);
    });
    return;
  }

  it.each([
    ['room', 'size=256k,nr_inodes=200'],
    ['inodes', 'size=4m,nr_inodes=40'],
  ])(
    'has no %s left at any command: live intact, nothing left over, said',
    async (kind, limits) => {
      let failures = 0;
      for (let free = 0; free < files + 8; free++) {
        const disk = mountSmallDisk(path, limits);
        try {
          await prepareFiles(path, 1);
          await switchTo({ root: path, site: 'www', sequence: 1 }, ports);
          fill(path, kind, free);
          const before = readdirSync(join(path, 'sites/www/versions'));
          const error = await prepareFiles(path, 2).catch((reason: Error) => reason);
          if (error instanceof Error) {
            failures += 1;
            expect(error.name).toBe('DiskFull');
            expect(readdirSync(join(path, 'sites/www/versions'))).toEqual(before);
          }
          expect(readFileSync(join(path, 'sites/www/live/d/f03'), 'utf8')).toBe('content 3');
        } finally {
          disk.unmount();
        }
      }
      expect(failures).toBeGreaterThan(5);
    },
  );

  it('becomes read-only: said, live intact, and works again once it may be written', async () => {
    const disk = mountSmallDisk(path, 'size=1m');
    try {
      await prepareFiles(path, 1);
      await switchTo({ root: path, site: 'www', sequence: 1 }, ports);
      execFileSync('mount', ['-o', 'remount,ro', path]);
      await expect(prepareFiles(path, 2)).rejects.toMatchObject({ name: 'ReadOnlyDisk' });
      expect(readFileSync(join(path, 'sites/www/live/d/f03'), 'utf8')).toBe('content 3');
      execFileSync('mount', ['-o', 'remount,rw', path]);
      expect(await prepareFiles(path, 2)).toMatchObject({ sequence: 2, filesWritten: files });
    } finally {
      disk.unmount();
    }
  });
});

/** Leaves `free` pages or inodes. */
function fill(root: string, kind: string, free: number): void {
  const { bavail, bsize, ffree } = statfsSync(root);
  if (kind === 'room') writeFileSync(join(root, 'filler'), Buffer.alloc((bavail - free) * bsize));
  else for (let left = ffree; left > free; left--) writeFileSync(join(root, `filler${left}`), '');
}
