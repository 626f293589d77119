import { describe, expect, test } from '@jest/globals';
import { Admission } from './admission.js';

const names = (count: number) => Array.from({ length: count }, (_, at) => `site-${at}`);

describe('the admission of sites that return', () => {
  test('a few come at once, the others 50 a second, moved by a jitter', () => {
    const admission = new Admission();
    const admitted = names(1_000).map((name) => admission.admit(0, name));
    expect(admitted.filter((atMs) => atMs === 0)).toHaveLength(50);
    for (let atMs = 1_000; atMs <= 19_000; atMs += 1_000) {
      const within = admitted.filter((own) => own > atMs - 1_000 && own <= atMs).length;
      expect(within).toBeGreaterThanOrEqual(45);
      expect(within).toBeLessThanOrEqual(55);
    }
    const pauses = new Set(admitted.slice(50).map((atMs, at) => atMs - (admitted[at + 49] ?? 0)));
    expect(pauses.size).toBeGreaterThan(5);
  });

  test('one that returns long after is admitted at once', () => {
    const admission = new Admission();
    for (const name of names(1_000)) admission.admit(0, name);
    expect(admission.admit(60_000, 'late')).toBe(60_000);
  });
});
