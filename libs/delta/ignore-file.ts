import type { FilterRule } from './filter.js';

/** Lies in a staging directory, or in a directory of it, and says what is not published there. */
export const ignoreFileName = '.espalierignore';

/**
 * The rules of an ignore file: one pattern a line, as in filters; what matches is left out, after
 * `!` it is taken. Lines that are empty or start with `#` say nothing; `\#` and `\!` are patterns.
 */
export function parseIgnoreFile(text: string): FilterRule[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const include = line.startsWith('!');
      const pattern = include ? line.slice(1).trim() : line.replace(/^\\(?=[#!])/, '');
      return { include, pattern };
    })
    .filter(({ pattern }) => pattern !== '');
}
