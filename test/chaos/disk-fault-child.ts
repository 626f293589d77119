import fs, { readdirSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { treeDigest } from '#libs/content-store/manifest.js';
import { removeTree } from '#libs/interpreter/adapters/removal.js';
import { testVersions } from '#libs/interpreter/test-versions.js';

/*
 * Publishes version 2 again and again; each time another call that changes the disk fails, first
 * the first, then the second, until none is left. Says for each code how many failed and as what.
 */
const [directory = '', ...codes] = process.argv.slice(2);
const changing = [
  'openSync',
  'writeSync',
  'writeFileSync',
  'fchmodSync',
  'futimesSync',
  'fsyncSync',
  'mkdirSync',
  'renameSync',
  'linkSync',
  'symlinkSync',
] as const;
const original = { ...fs };
const fault = { code: '', callsLeft: Number.POSITIVE_INFINITY };

for (const name of changing) {
  const call = original[name] as (...args: unknown[]) => unknown;
  Object.assign(fs, {
    [name]: (...args: unknown[]) => {
      if (name === 'openSync' && readsOnly(args[1])) return call(...args);
      fault.callsLeft -= 1;
      if (fault.callsLeft >= 0) return call(...args);
      const { code } = fault;
      throw Object.assign(new Error(`${code}: ${name}`), { code, errno: -1, syscall: name });
    },
  });
}
syncBuiltinESMExports();

const { checkWhole, freshSite, liveDigest, publish } = await import('./crashes.js');
const results: Record<string, { faults: number; names: string[] }> = {};
for (const code of codes) results[code] = await failEverywhere(code);
process.send?.(results, () => process.exit(0));

async function failEverywhere(code: string): Promise<{ faults: number; names: string[] }> {
  const names = new Set<string>();
  for (let faults = 0; ; faults++) {
    const root = await freshSite(directory);
    Object.assign(fault, { code, callsLeft: faults });
    const failed = await publish(root, 2).then(
      () => undefined,
      (error: Error) => error.name,
    );
    const reached = fault.callsLeft < 0;
    fault.callsLeft = Number.POSITIVE_INFINITY;
    if (!reached) return { faults, names: [...names].sort() };
    if (failed) names.add(failed);
    await checkWhole(root, `${code} at call ${faults}`);
    const left = readdirSync(join(root, 'sites/www/versions'));
    if (left.some((name) => name.endsWith('.tmp'))) throw new Error(`${code} left ${left}`);
    await publish(root, 2);
    if ((await liveDigest(root)) !== treeDigest(testVersions[1] ?? [])) {
      throw new Error(`${code} at call ${faults}: a repetition does not go live`);
    }
    await removeTree(root);
  }
}

function readsOnly(flags: unknown): boolean {
  return typeof flags !== 'number' ? flags === 'r' || flags === undefined : (flags & 0o103) === 0;
}
