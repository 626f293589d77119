import { textProblem } from '#libs/content-store/name-text.js';
import type { IllegalReason } from './errors.js';

export { foldPath } from '#libs/content-store/fold-path.js';

/** Longest name of one component in bytes, as on every usual POSIX file system. */
export const maxComponentBytes = 255;
/** Longest path or link target in bytes, without the terminating zero. */
export const maxPathBytes = 4095;

/**
 * Why `path` may not name an entry of a tree, or undefined when it may. Nothing is normalised:
 * what is checked is what is used.
 */
export function pathProblem(path: string, limitBytes = maxPathBytes): IllegalReason | undefined {
  if (path === '') return 'empty-path';
  const problem = textProblem(path);
  if (problem) return problem;
  if (path.startsWith('/')) return 'absolute-path';
  if (Buffer.byteLength(path) > limitBytes) return 'path-too-long';
  for (const component of path.split('/')) {
    if (component === '') return 'empty-component';
    if (component === '.') return 'dot-component';
    if (component === '..') return 'parent-component';
    if (Buffer.byteLength(component) > maxComponentBytes) return 'component-too-long';
  }
  return undefined;
}

/** Why `target` may not be stored in a symlink, or undefined. It may point anywhere. */
export function targetProblem(target: string): IllegalReason | undefined {
  if (target === '' || textProblem(target)) return 'bad-target';
  return Buffer.byteLength(target) > maxPathBytes ? 'bad-target' : undefined;
}

/**
 * Whether a symlink at `path` with `target` points, read component by component, out of its tree.
 */
export function pointsOutside(path: string, target: string): boolean {
  if (target.startsWith('/')) return true;
  let depth = path.split('/').length - 1;
  for (const component of target.split('/')) {
    if (component === '..') depth -= 1;
    else if (component !== '' && component !== '.') depth += 1;
    if (depth < 0) return true;
  }
  return false;
}

/** The directory that `path` is in; empty: the tree's root. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
