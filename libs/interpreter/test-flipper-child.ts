import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { exchangePaths } from '#libs/native/renameat2.js';

/*
 * An attacker beside the interpreter: exchanges each directory of a version that is being built
 * with a link to the outside, again and again. Arguments: the directory of versions, the outside.
 */
const [versions = '', outside = ''] = process.argv.slice(2);

process.send?.('started');
mkdirSync(versions, { recursive: true });
flip();

function flip(): void {
  for (const version of entriesOf(versions).filter((name) => name.endsWith('.tmp'))) {
    for (const name of entriesOf(join(versions, version))) {
      if (!/^d\d+$/.test(name)) continue;
      const link = join(versions, `${version}-${name}.link`);
      tryTo(() => symlinkSync(join(outside, name), link));
      tryTo(() => exchangePaths(link, join(versions, version, name)));
    }
  }
  setImmediate(flip);
}

function entriesOf(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function tryTo(action: () => void): void {
  try {
    action();
  } catch {
    // The interpreter was faster.
  }
}
