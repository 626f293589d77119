import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { TreeViewSchema } from '#libs/contracts/index.js';
import { renderForecast } from './forecast.js';

const leader = (segment: string, ...sources: string[]) => ({
  segment,
  leader: `${segment}-1`,
  sources,
});

describe('the forecast of a dry run', () => {
  test('says from whom each link would carry how much, and how long it would take', () => {
    const leaders = [leader('paris', 'origin', 'rome'), leader('rome', 'paris', 'origin')];
    const vacant = { segment: 'oslo', leader: '', sources: ['origin'] };
    const text = renderForecast(
      create(TreeViewSchema, {
        sizeBytes: 2_000_000n,
        shape: 'stripes',
        estimateMs: 1_500n,
        leaders: [...leaders, vacant],
      }),
    );
    expect(text).toMatch(/stripes: 3\.8 MiB over WAN links, about 1\.5 s/);
    expect(text).toMatch(/paris +origin 977 KiB, rome 977 KiB/);
    expect(text).not.toContain('oslo');
  });
});
