import { comparePaths, type Manifest, type TreeEntry } from '#libs/content-store/manifest.js';
import { readSite } from './adapters/site-state.js';
import { originOf, type Step } from './plan.js';
import type { InterpreterPorts } from './ports.js';
import { admit, findBase, type PrepareInput, planInput } from './prepare.js';
import { siteLayout } from './site-layout.js';

/** What an assignment would do on this host. */
export interface DryRun {
  /** One line each, in the order of the tree; then the hooks. */
  readonly lines: readonly string[];
  readonly filesWritten: number;
  readonly filesShared: number;
  readonly bytesWritten: number;
}

/**
 * Judges an assignment as `prepare` would and says what it would do; nothing is written.
 * @throws as `prepare` before it writes
 */
export async function dryRun(input: PrepareInput, ports: InterpreterPorts): Promise<DryRun> {
  const layout = siteLayout(input);
  const site = readSite(layout);
  admit(input, site, ports);
  const base = await findBase(layout, site, input.head.header);
  const { steps, hooks, result, writtenBytes } = await planInput(layout, input, base, ports);
  const written = steps.filter(({ kind }) => kind === 'write').length;
  const before = new Map(base.manifest.map((entry) => [entry.path, entry]));
  const changes = [
    ...steps.flatMap((step) => lineOf(step, before.get(step.entry.path))),
    ...removals(base.manifest, result),
  ].sort((a, b) => comparePaths(a.path, b.path));
  return {
    lines: [...changes.map(({ line }) => line), ...hooks.map((name) => `run the hook ${name}`)],
    filesWritten: written,
    filesShared: steps.filter(({ kind }) => kind === 'share').length,
    bytesWritten: writtenBytes,
  };
}

interface Line {
  readonly path: string;
  readonly line: string;
}

function lineOf(step: Step, before: TreeEntry | undefined): Line[] {
  const { entry } = step;
  const { path } = entry;
  const name = JSON.stringify(path);
  if (step.kind === 'make') {
    if (entry.type === 'symlink') {
      const same = before?.type === 'symlink' && before.target === entry.target;
      return same ? [] : [{ path, line: `link ${name} to ${JSON.stringify(entry.target)}` }];
    }
    if (entry.type !== 'directory') return [];
    const same = before?.type === 'directory' && before.mode === entry.mode;
    return same ? [] : [{ path, line: `directory ${name} ${octal(entry.mode)}` }];
  }
  if (step.kind === 'share') {
    return step.base.path === path ? [] : [{ path, line: `rename ${step.base.path} to ${name}` }];
  }
  const verb = before?.type === 'file' ? 'change' : 'write';
  const { mode, sizeBytes } = step.entry;
  const from = sources[originOf(step).kind];
  return [{ path, line: `${verb} ${name} ${octal(mode)} ${sizeBytes} B ${from}` }];
}

const sources = {
  base: 'from the base',
  data: 'from the assignment',
  patch: 'by a patch',
  bytes: 'by setting values',
} as const;

function removals(before: Manifest, after: Manifest): Line[] {
  const kept = new Set(after.map(({ path }) => path));
  return before
    .filter(({ path }) => !kept.has(path))
    .map(({ path }) => ({ path, line: `remove ${JSON.stringify(path)}` }));
}

const octal = (mode: number) => mode.toString(8).padStart(4, '0');
