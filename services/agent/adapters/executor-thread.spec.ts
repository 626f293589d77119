import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { writeAssignment } from '#libs/assignment/writer.js';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import type { Clock } from '#libs/clock/clock.js';
import { JobType, NodeStatus } from '#libs/contracts/index.js';
import { removeTree } from '#libs/interpreter/adapters/removal.js';
import { assignmentOf, testVersions } from '#libs/interpreter/test-versions.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { ExecutorThread } from './executor-thread.js';

const key = signingKeyFromPem(generatePrivateKeyPem());
const trust = { keys: [key.publicKey], threshold: 1 };
const controlClock = () => ({ offsetMs: 0, errorMs: 0 });
const common = { node: 'a', trust, clock: systemClock, controlClock };
let root: string;
let thread: ExecutorThread | undefined;
let changes: number;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'executor-'));
  changes = 0;
});
afterEach(async () => {
  await thread?.close();
  thread = undefined;
  await removeTree(root);
});

const start = async () => {
  const onLiveChanged = () => {
    changes += 1;
  };
  thread = await ExecutorThread.start({ ...common, root, onLiveChanged });
  return thread;
};

async function container(number: number, type: JobType, switchAtMs = 0): Promise<string> {
  const path = join(root, `container-${number}-${type}`);
  const { head, commands, data } = assignmentOf(testVersions, number);
  const isSwitch = type === JobType.SWITCH;
  const { site, agentType, part, parts, diskNeededBytes } = head.header;
  const { baseTreeDigest, resultTreeDigest } = head.header;
  const common = { site, agentType, part, parts, type, assignmentId: `${number}-${type}` };
  const header = isSwitch
    ? {
        ...common,
        sequence: 100n,
        switchToSequence: BigInt(number),
        switchAtMs: BigInt(switchAtMs),
      }
    : { ...common, sequence: BigInt(number), diskNeededBytes, baseTreeDigest, resultTreeDigest };
  await writeAssignment({
    path,
    header,
    commands: isSwitch ? [] : commands,
    data: isSwitch ? undefined : data.stream({ offset: 0n, length: 1_000n }),
    keys: [key],
  });
  return path;
}

test('a publication is prepared and goes live on the thread, and is remembered', async () => {
  const executor = await start();
  expect(executor.liveVersions()).toEqual([]);
  const prepared = await executor.execute('p', await container(1, JobType.PUBLISH));
  expect(prepared).toMatchObject({ node: 'a', assignmentId: 'p', error: '' });
  expect(prepared.status).toBe(NodeStatus.PREPARED);
  const switched = await executor.execute('s', await container(1, JobType.SWITCH));
  expect(switched).toMatchObject({ status: NodeStatus.SWITCHED, error: '' });
  expect(readFileSync(join(root, 'sites/www/live/f'), 'utf8')).toBe('1');
  expect(changes).toBe(1);
  expect(executor.liveVersions()).toMatchObject([{ site: 'www', sequence: 1n }]);
  expect(executor.reportOf('s')?.status).toBe(NodeStatus.SWITCHED);
  expect(await executor.execute('s', '/nowhere')).toBe(executor.reportOf('s'));
  await executor.close();
  expect((await start()).liveVersions()).toMatchObject([{ site: 'www', sequence: 1n }]);
});

test('an idle thread ends, and what it prepared goes live on the next one', async () => {
  const clock = new VirtualClock();
  thread = await ExecutorThread.start({ ...common, clock, root, onLiveChanged: () => undefined });
  const { status } = await thread.execute('p', await container(1, JobType.PUBLISH));
  expect(status).toBe(NodeStatus.PREPARED);
  clock.advance(9_999);
  expect(thread.isRunning).toBe(true);
  clock.advance(1);
  expect(thread.isRunning).toBe(false);
  const switched = await thread.execute('s', await container(1, JobType.SWITCH));
  expect(switched.status).toBe(NodeStatus.SWITCHED);
  expect(thread.isRunning).toBe(true);
  expect(thread.liveVersions()).toMatchObject([{ site: 'www', sequence: 1n }]);
});

test('a switch of later keeps no thread: one is there again shortly before it', async () => {
  const time = new VirtualClock();
  const clock: Clock = {
    nowMs: () => systemClock.nowMs(),
    schedule: (delayMs, action) => time.schedule(delayMs, action),
  };
  // The time that passed is in the offset, which the thread, with its own timers, hears of too.
  const passing = () => ({ offsetMs: time.nowMs(), errorMs: 3 });
  const onLiveChanged = () => undefined;
  thread = await ExecutorThread.start({
    ...common,
    controlClock: passing,
    clock,
    root,
    onLiveChanged,
  });
  await thread.execute('p', await container(1, JobType.PUBLISH));
  const inAnHour = systemClock.nowMs() + 3_600_000;
  const switching = thread.execute('s', await container(1, JobType.SWITCH, inAnHour));
  while (time.nextDueMs() === undefined) await new Promise(setImmediate);
  time.advance(10_000);
  expect(thread.isRunning).toBe(false);
  expect(thread.liveVersions()).toEqual([]);
  time.advance(3_600_000);
  expect(await switching).toMatchObject({ status: NodeStatus.SWITCHED, error: '' });
  expect(thread.liveVersions()).toMatchObject([{ site: 'www', sequence: 1n }]);
});

test('a failure is reported and may be tried again', async () => {
  const executor = await start();
  const report = await executor.execute('p', join(root, 'absent'));
  expect(report.status).toBe(NodeStatus.FAILED);
  expect(report.error).toContain('ENOENT');
  expect(executor.reportOf('p')).toBe(undefined);
});

test("the host's policy is obeyed, and a wrong one is said at the start", async () => {
  const sites = { www: { beforeSwitch: ['never'] } };
  const hooks = { never: { command: ['/bin/false'] } };
  writeFileSync(join(root, 'host.json'), JSON.stringify({ hooks, sites }));
  const executor = await start();
  await executor.execute('p', await container(1, JobType.PUBLISH));
  const report = await executor.execute('s', await container(1, JobType.SWITCH));
  expect(report.error).toBe('HookFailed: the hook "never" failed: exit status 1');
  expect(executor.liveVersions()).toEqual([]);
  await executor.close();
  writeFileSync(join(root, 'host.json'), '{');
  await expect(start()).rejects.toMatchObject({ name: 'BadHostPolicy' });
});
