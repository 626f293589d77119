import { createHash } from 'node:crypto';

/**
 * An id in the form of a UUID that follows from what it is for: replicas that decide the same
 * choose the same, so what they start is started once.
 */
export function derivedId(...parts: readonly (string | number | readonly string[])[]): string {
  const hex = createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  const ends = [8, 12, 16, 20, 32];
  return ends.map((end, index) => hex.slice(ends[index - 1] ?? 0, end)).join('-');
}
