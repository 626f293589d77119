import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ControlPlane } from '#test/support/control-plane.js';
import { until } from '#test/support/until.js';

const timeoutMs = 180_000;

interface Run {
  readonly runId: string;
  readonly site: string;
  readonly job: string;
  readonly status: string;
  readonly reason: string;
  readonly trigger: string;
  readonly rolloutRunId: string;
  readonly nothingChanged: boolean;
}

describe('schedules over a fleet of real processes', () => {
  let plane: ControlPlane;
  let staging: string;

  beforeAll(async () => {
    plane = await ControlPlane.start({ segments: 2, nodes: 2 });
    staging = await plane.createSite('www');
    stage('first');
  }, timeoutMs);
  afterAll(() => plane?.close(), timeoutMs);

  const stage = (text: string) => writeFileSync(join(staging, 'index.html'), text);
  const liveOn = (node: string) =>
    readFileSync(join(plane.live(node, 'www'), 'index.html'), 'utf8');
  const runs = async () => (await plane.json<{ runs: Run[] }>('get', 'runs')).runs;

  function untilRun(what: string, isIt: (run: Run) => boolean): Promise<Run> {
    const ended = (run: Run) => !['running', 'queued', 'deferred'].includes(run.status);
    const find = async () => (await runs()).find((run) => isIt(run) && ended(run));
    return until(what, find, { timeoutMs: 60_000, intervalMs: 200 });
  }

  async function job(name: string, ...options: string[]): Promise<void> {
    await plane.json('job', 'create', name, '--site', 'www', ...options);
  }

  test(
    'a job runs by the clock, again and again, and stops when it is paused',
    async () => {
      await job('often', '--cron', '*/2 * * * * *');
      const { nextRuns, status } = await plane.json<{ nextRuns: string[]; status: string }>(
        'describe',
        'job',
        'often',
      );
      expect({ count: nextRuns.length, status }).toEqual({ count: 5, status: 'active' });
      const first = await untilRun('the job ran', (run) => run.job === 'often');
      expect(first).toMatchObject({ status: 'completed', reason: '' });
      expect(first.trigger).toContain('cron */2');
      for (const node of plane.nodes) expect(liveOn(node)).toBe('first');
      await until('it runs again', async () => {
        return (await runs()).filter((run) => run.job === 'often').length > 1;
      });
      await plane.json('job', 'pause', 'often');
      const { code, stderr } = await plane.cli('job', 'trigger', 'often');
      expect({ code, names: stderr.includes('often is paused') }).toEqual({ code: 7, names: true });
      await plane.json('job', 'delete', 'often');
    },
    timeoutMs,
  );

  test(
    'a change of staging, and then the end of its run, make jobs run',
    async () => {
      await job('watch', '--on-change', '300ms');
      await job('next', '--after', 'watch', '--type', 'synchronize');
      // The watch begins a moment after the job is made: changes are made until one is seen.
      let number = 0;
      await until(
        'the change was seen',
        async () => {
          if (number++ % 10 === 0) stage(`changed ${number}`);
          return (await runs()).some((run) => run.job === 'watch');
        },
        { intervalMs: 300 },
      );
      expect(await untilRun('it ran', (run) => run.job === 'watch')).toMatchObject({
        status: 'completed',
      });
      expect(await untilRun('the next ran', (run) => run.job === 'next')).toMatchObject({
        status: 'completed',
      });
      const cycle = await plane.cli('job', 'edit', 'watch', '--after', 'next');
      expect({ code: cycle.code, told: cycle.stderr.includes('for ever') }).toEqual({
        ...{ code: 1, told: true },
      });
      for (const name of ['watch', 'next']) await plane.json('job', 'delete', name);
    },
    timeoutMs,
  );

  test(
    'runs that want the same servers queue, or are refused with the name of the other',
    async () => {
      stage('held');
      const { runId } = await plane.json<{ runId: string }>(
        'publish',
        'www',
        '--go-live',
        'manual',
      );
      const refused = await plane.cli('publish', 'www');
      expect({ code: refused.code, names: refused.stderr.includes(runId) }).toEqual({
        ...{ code: 7, names: true },
      });
      const queue = ['publish', 'www', '--on-conflict', 'queue'];
      const waiting = await plane.json<{ runId: string }>(...queue);
      const dropped = await plane.json<{ runId: string }>(...queue);
      const { run } = await plane.json<{ run: Run & { blockingRunId: string } }>(
        'describe',
        'run',
        waiting.runId,
      );
      expect(run).toMatchObject({ status: 'queued', blockingRunId: runId });
      await plane.json('abort', dropped.runId);
      await until('it may go live', async () => {
        return (await plane.cli('go-live', runId)).code === 0;
      });
      const second = await untilRun('the second ran', (one) => one.runId === waiting.runId);
      expect(second.status).toBe('completed');
      const third = await untilRun('the third is over', (one) => one.runId === dropped.runId);
      expect(third.status).toBe('cancelled');
    },
    timeoutMs,
  );

  test(
    'a run in waves reaches everybody, and is one run to who waits for it',
    async () => {
      stage('in waves');
      const done = await plane.cli(
        ...['publish', 'www', '--wave', '1', '--wave', 'segment=tokyo', '--soak', '1s'],
        ...['--wait', '-o', 'json'],
      );
      expect(JSON.parse(done.stdout)).toMatchObject({ status: 'completed' });
      for (const node of plane.nodes) expect(liveOn(node)).toBe('in waves');
      const { runId } = JSON.parse(done.stdout) as Run;
      const waves = (await runs()).filter((run) => run.rolloutRunId === runId);
      expect(waves.map(({ status }) => status)).toEqual(
        Array.from({ length: waves.length }, () => 'completed'),
      );
      expect(waves.length).toBeGreaterThanOrEqual(3);
      expect((await plane.publish('www')).status).toBe('completed');
    },
    timeoutMs,
  );

  test(
    'files make sites, groups and jobs, and say before what they would change',
    async () => {
      const path = join(plane.directory, 'fleet.yaml');
      const object = (cron: string) =>
        `kind: Job\nname: filed\nspec:\n  site: www\n  type: publish\n` +
        `  triggers: [{cron: {expression: '${cron}'}}]\n`;
      writeFileSync(path, object('0 3 * * *'));
      const apply = async (...options: string[]) => {
        const applied = { objects: [] as { action: string; changes: object[] }[] };
        return Object.assign(applied, await plane.json('apply', '-f', path, ...options)).objects[0];
      };
      expect(await apply('--dry-run')).toMatchObject({ action: 'created' });
      expect(await apply()).toMatchObject({ action: 'created' });
      expect(await apply()).toMatchObject({ action: 'unchanged', changes: [] });
      writeFileSync(path, object('0 4 * * *'));
      const change = { path: 'triggers[0].cron.expression', from: '0 3 * * *', to: '0 4 * * *' };
      expect(await apply('--dry-run')).toMatchObject({ action: 'changed', changes: [change] });
      expect(await apply()).toMatchObject({ action: 'changed' });
      const { version } = await plane.json<{ version: string }>('describe', 'job', 'filed');
      expect(version).toBe('2');
      writeFileSync(path, object('99 * * * *'));
      const wrong = await plane.cli('apply', '-f', path);
      expect({ code: wrong.code, told: wrong.stderr.includes('schedule is wrong') }).toEqual({
        ...{ code: 1, told: true },
      });
    },
    timeoutMs,
  );
});
