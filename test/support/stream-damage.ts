import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Changes one bit of a text in a block of the stream of events of a nats-server that is down. */
export function flipBit(dataDir: string, text: string): void {
  for (const path of filesOf(dataDir, '.blk')) {
    const bytes = readFileSync(path);
    const at = bytes.lastIndexOf(text);
    if (at < 0) continue;
    bytes[at + 2] = (bytes[at + 2] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    return;
  }
  throw new Error(`${text} is in no block`);
}

/** A server without its index reads every block, and cuts the stream off at a damaged event. */
export function removeIndex(dataDir: string): void {
  for (const path of filesOf(dataDir, '/msgs/index.db')) rmSync(path);
}

function filesOf(dataDir: string, end: string): string[] {
  const store = join(dataDir, 'nats', 'jetstream');
  const files = readdirSync(store, { recursive: true, encoding: 'utf8' });
  return files
    .filter((each) => each.includes('/EVENTS/') && each.endsWith(end))
    .map((name) => join(store, name));
}
