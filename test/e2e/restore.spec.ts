import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ControlPlane } from '#test/support/control-plane.js';
import { flipBit, removeIndex } from '#test/support/stream-damage.js';

const timeoutMs = 180_000;

describe('a log that nats-server has cut off', () => {
  let plane: ControlPlane;
  let staging: string;

  beforeAll(async () => {
    plane = await ControlPlane.start({ segments: 1, nodes: 1 });
    staging = await plane.createSite('www');
  }, timeoutMs);
  afterAll(() => plane?.close(), timeoutMs);

  const publish = async (text: string) => {
    writeFileSync(join(staging, 'index.html'), text);
    const { runId, status } = await plane.publish('www');
    expect(status).toBe('completed');
    return runId;
  };

  const restore = (...options: string[]) =>
    plane.cli('audit', 'restore', '--data-dir', plane.dataDir, ...options);

  test(
    'is restored from its second copy while the control plane is down, and goes on',
    async () => {
      await publish('first');
      const runId = await publish('second');
      expect((await plane.cli('audit', 'verify')).stdout).toMatch(/^sound: /);
      const before = await plane.events();
      const inUse = await restore();
      expect(inUse).toMatchObject({ code: 1, stderr: expect.stringContaining('in use') });
      await plane.kill('SIGTERM');
      flipBit(plane.dataDir, runId);
      removeIndex(plane.dataDir);
      const planned = await restore('--dry-run');
      expect(planned.stdout).toMatch(/it is missing; to mend: append, 0 events put aside/);
      const restored = await restore();
      expect(restored).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/[1-9]\d* events written/),
      });
      expect((await restore()).stdout).toContain('nothing is missing');
      await plane.restart();
      expect((await plane.events()).slice(0, before.length)).toEqual(before);
      expect((await plane.cli('audit', 'verify')).stdout).toMatch(/^sound: /);
      await publish('third');
    },
    timeoutMs,
  );
});
