import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ControlPlane } from '#test/support/control-plane.js';
import { treeOf } from '#test/support/trees.js';

const timeoutMs = 180_000;

describe('two control planes on one host', () => {
  let planes: ControlPlane[] = [];
  let stagings: string[] = [];

  beforeAll(async () => {
    const start = () => ControlPlane.start({ segments: 1, nodes: 2 });
    planes = await Promise.all([start(), start()]);
    stagings = await Promise.all(planes.map((plane) => plane.createSite('www')));
    for (const [at, staging] of stagings.entries()) {
      writeFileSync(join(staging, 'region'), `region ${at}\n`);
      writeFileSync(join(staging, 'large'), Buffer.alloc(3_000_000, at + 1));
    }
  }, timeoutMs);

  afterAll(async () => {
    await Promise.all(planes.map((plane) => plane.close()));
  }, timeoutMs);

  const expectLive = (at: number) => {
    const plane = planes[at];
    for (const node of plane?.nodes ?? []) {
      expect(treeOf(plane?.live(node, 'www') ?? '')).toEqual(treeOf(stagings[at] ?? ''));
    }
  };

  test(
    'publish at the same time to segments and servers of the same names, each its own content',
    async () => {
      const published = await Promise.all(planes.map((plane) => plane.publish('www')));
      expect(published).toMatchObject([{ status: 'completed' }, { status: 'completed' }]);
      expectLive(0);
      expectLive(1);
      const nodes = planes.map((plane) => plane.nodes);
      expect(nodes[0]).toEqual(nodes[1]);
    },
    timeoutMs,
  );

  test(
    'go on when the other one has gone',
    async () => {
      await planes[0]?.kill('SIGKILL');
      appendFileSync(join(stagings[1] ?? '', 'region'), 'alone\n');
      expect(await planes[1]?.publish('www')).toMatchObject({ status: 'completed' });
      expectLive(1);
    },
    timeoutMs,
  );
});
