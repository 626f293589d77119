import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { treeDigest } from '#libs/content-store/manifest.js';
import { hostPorts } from '#libs/interpreter/adapters/host-ports.js';
import { type PrepareInput, prepare } from '#libs/interpreter/prepare.js';
import { recover } from '#libs/interpreter/recover.js';
import { switchTo } from '#libs/interpreter/switch.js';
import { directory, file, TestAssignment } from '#libs/interpreter/test-commands.js';
import { digestOfTree } from '#libs/interpreter/verify.js';
import { canMountImages, JournalledDisk } from '../support/small-disks.js';

const files = 8;
let path: string;
let root: string;
let disk: JournalledDisk;
const location = () => ({ root, site: 'www' });

/** A whole tree; `content` is called before the content of each of its files is read. */
function publication(sequence: number, content: () => void = () => undefined) {
  const assignment = new TestAssignment().directory('d');
  const tree = [directory('d')];
  for (let number = 0; number < files; number++) {
    assignment.put(`d/f${number}`, `content ${number} of ${sequence}`);
    tree.push(file(`d/f${number}`, `content ${number} of ${sequence}`) as never);
  }
  const { read, stream } = assignment;
  assignment.read = (slice) => {
    content();
    return read.call(assignment, slice);
  };
  assignment.stream = (slice) => {
    content();
    return stream.call(assignment, slice);
  };
  const header = assignment.header([], tree, {
    sequence: BigInt(sequence),
    diskNeededBytes: 1_000n,
  });
  const commands = assignment.commands;
  const input: PrepareInput = { ...location(), head: { header }, commands, data: assignment };
  return { input, digest: treeDigest(tree) };
}

/** Prepares a version during which the disk becomes read-only at the `turn`th file. */
async function prepareUntil(turn: number): Promise<Error | undefined> {
  let filesBegun = 0;
  const { input } = publication(2, () => {
    filesBegun += 1;
    if (filesBegun === turn) disk.abort();
  });
  return prepare(input, hostPorts).then(
    () => undefined,
    (error: Error) => error,
  );
}

describe('a disk that becomes read-only while a version is prepared', () => {
  if (!canMountImages()) {
    it('needs the right to mount; the same faults are injected in disk-faults.spec', () => {
      expect(canMountImages()).toBe(false);
    });
    return;
  }

  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'espalier-read-only-'));
    root = join(path, 'root');
    mkdirSync(root);
    disk = new JournalledDisk(path, root);
  });
  afterEach(() => {
    disk.unmount();
    rmSync(path, { recursive: true, force: true });
  });

  it.each(Array.from({ length: files }, (_, at) => at + 1))(
    'at file %d: said, live intact, nothing left over, and works when it is mended',
    async (turn) => {
      const first = publication(1);
      await prepare(first.input, hostPorts);
      await (await switchTo({ ...location(), sequence: 1 }, hostPorts)).cleanup;
      const before = readdirSync(join(root, 'sites/www/versions'));
      const live = () => digestOfTree(join(root, 'sites/www/live/.'));

      const error = await prepareUntil(turn);
      expect(error?.name).toMatch(/^(ReadOnlyDisk|DiskFailure)$/);
      expect(await live()).toBe(first.digest);
      expect(readFileSync(join(root, 'sites/www/live/d/f3'), 'utf8')).toBe('content 3 of 1');

      disk.repair();
      await recover(location(), hostPorts);
      expect(readdirSync(join(root, 'sites/www/versions'))).toEqual(before);
      expect(await live()).toBe(first.digest);
      const second = publication(2);
      await prepare(second.input, hostPorts);
      await (await switchTo({ ...location(), sequence: 2 }, hostPorts)).cleanup;
      expect(await live()).toBe(second.digest);
    },
  );
});
