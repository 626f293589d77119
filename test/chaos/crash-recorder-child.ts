import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';

/*
 * Publishes version 2 and copies the site after every call that writes; a line of the journal also
 * when it is only half written.
 */
const [root = '', snapshots = ''] = process.argv.slice(2);
const writing = [
  'openSync',
  'writeSync',
  'writeFileSync',
  'ftruncateSync',
  'fchmodSync',
  'futimesSync',
  'mkdirSync',
  'renameSync',
  'linkSync',
  'symlinkSync',
  'rmSync',
  'copyFileSync',
] as const;

const original = { ...fs };
let count = 0;
let copying = false;

for (const name of writing) {
  const call = original[name] as (...args: unknown[]) => unknown;
  Object.assign(fs, {
    [name]: (...args: unknown[]) => {
      const result = call(...args);
      if (!copying && !(name === 'openSync' && readsOnly(args[1]))) record(name);
      return result;
    },
  });
}
syncBuiltinESMExports();

const { publish, snapshot } = await import('./crashes.js');
await publish(root, 2);
process.exit(0);

function record(name: string): void {
  copying = true;
  count += 1;
  const target = join(snapshots, `${String(count).padStart(4, '0')}-${name}`);
  snapshot(root, target);
  if (name === 'writeFileSync') {
    snapshot(root, `${target}-torn`);
    tearJournal(`${target}-torn/sites/www/journal`);
  }
  copying = false;
}

function tearJournal(path: string): void {
  const text = original.readFileSync(path, 'utf8');
  const last = text.lastIndexOf('\n', text.length - 2) + 1;
  original.writeFileSync(path, text.slice(0, last + Math.floor((text.length - last) / 2)));
}

function readsOnly(flags: unknown): boolean {
  return typeof flags !== 'number' ? flags === 'r' || flags === undefined : (flags & 0o103) === 0;
}
