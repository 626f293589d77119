import { describe, expect, it } from '@jest/globals';
import { formatBytes, formatDuration } from './units.js';

describe('units', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.5 KiB'],
    [12 * 1024 ** 2, '12 MiB'],
    [5 * 1024 ** 5, '5120 TiB'],
  ])('shows %d bytes as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([
    [12, '12 ms'],
    [3_400, '3.4 s'],
    [125_000, '2 min 5 s'],
  ])('shows %d ms as %s', (durationMs, text) => {
    expect(formatDuration(durationMs)).toBe(text);
  });
});
