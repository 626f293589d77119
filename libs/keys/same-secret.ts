import { timingSafeEqual } from 'node:crypto';

/** Compares what was shown with a secret, in a time that tells nothing of the secret. */
export function sameSecret(shown: string, expected: string): boolean {
  const a = Buffer.from(shown);
  const b = Buffer.from(expected);
  return a.length === b.length && timingSafeEqual(a, b);
}
