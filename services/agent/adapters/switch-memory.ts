import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { SwitchMemory } from '../app/executor.js';

/**
 * On disk, in one file. Signed assignments stay valid for days: without it, whoever kept one could
 * bring back what was live before.
 */
export function switchMemory(path: string): SwitchMemory {
  const known = read(path);
  return {
    lastOf: (site) => known[site] ?? 0,
    remember(site, sequence) {
      if (sequence <= (known[site] ?? 0)) return;
      known[site] = sequence;
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(`${path}.new`, JSON.stringify(known));
      renameSync(`${path}.new`, path);
    },
  };
}

function read(path: string): Record<string, number> {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return {};
  }
}
