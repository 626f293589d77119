import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emptyManifest, type Manifest } from '#libs/content-store/manifest.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { removeTree } from './adapters/removal.js';
import type { InterpreterPorts } from './ports.js';
import { type Prepared, type PrepareInput, prepare } from './prepare.js';
import { switchTo } from './switch.js';
import { directory, file, symlink, TestAssignment } from './test-commands.js';

/** The tree of version 1 in the tests of preparation. */
export const first: Manifest = [
  directory('css', 0o750),
  file('css/main.css', 'body {}'),
  file('index.html', 'hello'),
  symlink('latest', 'index.html'),
];

/** A site on a disk of its own, at 5 s of its clock. */
export class TestSite {
  readonly root = mkdtempSync(join(tmpdir(), 'interpreter-'));
  /** What was flushed. */
  readonly synced: string[] = [];
  ports: InterpreterPorts = {
    clock: new VirtualClock(5000),
    syncFilesystem: (path) => {
      this.synced.push(path);
    },
    decodePatch: () => Buffer.from('decoded'),
  };

  /** The directory of a version. */
  version(sequence: number): string {
    return this.path('versions', String(sequence));
  }

  path(...names: string[]): string {
    return join(this.root, 'sites/www', ...names);
  }

  /** Names in the directory of versions. */
  names(): string[] {
    return readdirSync(this.path('versions')).sort();
  }

  /** Prepares an assignment with other header fields and another input. */
  run(
    assignment: TestAssignment,
    [base, result]: [Manifest, Manifest],
    fields: object = {},
    input: Partial<PrepareInput> = {},
  ): Promise<Prepared> {
    const header = assignment.header(base, result, fields);
    const parts = { head: { header }, commands: assignment.commands, data: assignment };
    return prepare({ root: this.root, site: 'www', ...parts, ...input }, this.ports);
  }

  prepareFirst(input: Partial<PrepareInput> = {}): Promise<Prepared> {
    const assignment = new TestAssignment()
      .directory('css', 0o750)
      .put('css/main.css', 'body {}')
      .put('index.html', 'hello')
      .symlink('latest', 'index.html');
    return this.run(assignment, [emptyManifest, first], {}, input);
  }

  /** Makes version 2, with one file more than the first, live. */
  async publishNext(path: string, content: Uint8Array): Promise<void> {
    const result = [file(path, content), ...first];
    await this.run(new TestAssignment().put(path, content), [first, result], { sequence: 2n });
    await switchTo({ root: this.root, site: 'www', sequence: 2 }, this.ports);
  }

  remove(): Promise<void> {
    return removeTree(this.root);
  }
}

/** What an action is refused with. */
export async function rejection(action: Promise<unknown>): Promise<Error> {
  return action.then(
    () => {
      throw new Error('nothing was refused');
    },
    (error: Error) => error,
  );
}
