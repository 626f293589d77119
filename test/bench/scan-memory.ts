import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeManifest, encodeManifest } from '#libs/content-store/manifest-codec.js';
import { scanTree } from '#libs/delta/adapters/scan-tree.js';
import { diffManifests } from '#libs/delta/diff.js';
import { scanCacheFiles } from '#services/delta/adapters/scan-cache-file.js';

/*
 * The memory of the first scan of a tree, and of what a publication of the unchanged tree does:
 * what the first scan learned is loaded, the tree looked at, compared with the stored manifest and
 * remembered again. Each in a process of its own.
 */
const script = fileURLToPath(import.meta.url);
const steps = ['first', 'again'] as const;
const site = 'bench';

export interface ScanMemory {
  readonly ms: number;
  readonly peakRssMb: number;
}

/** @param state a directory for what the first scan leaves to the second */
export function measureMemory(tree: string, state: string) {
  const run = (step: (typeof steps)[number]): ScanMemory =>
    JSON.parse(execFileSync(process.execPath, [script, step, tree, state], { encoding: 'utf8' }));
  return { firstScan: run('first'), rescan: run('again') };
}

async function scanFirst(tree: string, state: string): Promise<void> {
  const { manifest, cache } = await scanTree(tree, { rules: [] });
  await scanCacheFiles(state).save(site, cache);
  writeFileSync(join(state, 'manifest'), encodeManifest(manifest));
}

async function scanAgain(tree: string, state: string): Promise<void> {
  const previous = await scanCacheFiles(state).load(site);
  const { manifest, cache, filesRead } = await scanTree(tree, { rules: [], previous });
  if (filesRead > 0) throw new Error(`${filesRead} unchanged files were read`);
  await scanCacheFiles(state).save(site, cache);
  const base = decodeManifest(readFileSync(join(state, 'manifest')), manifest);
  const { unchanged, files } = diffManifests(base, manifest).counts;
  if (unchanged !== files) throw new Error(`${files - unchanged} unchanged files differ`);
}

if (process.argv[1] === script) {
  const [step, tree = '', state = ''] = process.argv.slice(2);
  const startedMs = performance.now();
  await (step === 'first' ? scanFirst : scanAgain)(tree, state);
  const ms = Math.round(performance.now() - startedMs);
  const peakRssMb = Math.round(process.resourceUsage().maxRSS / 1024);
  process.stdout.write(JSON.stringify({ ms, peakRssMb }));
}
