import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { writeAssignment } from '#libs/assignment/writer.js';
import { JobType, NodeStatus } from '#libs/contracts/index.js';
import { removeTree } from '#libs/interpreter/adapters/removal.js';
import type { InterpreterPorts } from '#libs/interpreter/ports.js';
import { assignmentOf, testVersions } from '#libs/interpreter/test-versions.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import type { ControlClock } from './control-clock.js';
import { Executor, NotDue } from './executor.js';

const key = signingKeyFromPem(generatePrivateKeyPem());
const trust = { keys: [key.publicKey], threshold: 1 };
const goodClock = { offsetMs: 0, errorMs: 3 };

let root: string;
let clock: VirtualClock;
/** Resolves a flush of the disk; each build waits for one. */
let flush: () => void;
let flushing: Promise<void>;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'executor-'));
  clock = new VirtualClock(10_000);
  holdFlushes();
  flush();
});
afterEach(() => removeTree(root));

function holdFlushes(): void {
  flushing = new Promise((resolve) => {
    flush = resolve;
  });
}

function start(controlClock: ControlClock = goodClock, patienceMs?: number): Promise<Executor> {
  const ports: InterpreterPorts = {
    clock,
    syncFilesystem: () => flushing,
    decodePatch: () => new Uint8Array(),
  };
  const switches = { lastOf: () => 0, remember: () => undefined };
  const onLiveChanged = () => undefined;
  return Executor.start({
    ...{ root, node: 'a', trust, ports, switches, onLiveChanged },
    controlClock: () => controlClock,
    patienceMs,
  });
}

async function prepareContainer(number: number): Promise<string> {
  const path = join(root, `container-${number}`);
  const { head, commands, data } = assignmentOf(testVersions, number);
  const { site, agentType, part, parts, diskNeededBytes } = head.header;
  const { baseTreeDigest, resultTreeDigest } = head.header;
  const header = {
    ...{ site, agentType, part, parts, diskNeededBytes, baseTreeDigest, resultTreeDigest },
    ...{ type: JobType.PUBLISH, assignmentId: `www-${number}`, sequence: BigInt(number) },
  };
  const bytes = data.stream({ offset: 0n, length: 1_000n });
  await writeAssignment({ path, header, commands, data: bytes, keys: [key] });
  return path;
}

async function switchContainer(number: number, switchAtMs: number): Promise<string> {
  const path = join(root, `switch-${number}`);
  const { header } = assignmentOf(testVersions, number).head;
  const { site, agentType, part, parts, resultTreeDigest } = header;
  await writeAssignment({
    path,
    header: {
      ...{ site, agentType, part, parts, resultTreeDigest, type: JobType.SWITCH },
      ...{ assignmentId: `switch-${number}`, sequence: 100n, switchToSequence: BigInt(number) },
      switchAtMs: BigInt(switchAtMs),
    },
    commands: [],
    keys: [key],
  });
  return path;
}

const live = () => join(root, 'sites/www/live/f');
/** Everything that can happen without time or a flush has happened. */
const idle = async () => {
  for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
};

/** Turns of the event loop until it is so; the test's own time limit ends the wait. */
const until = async (isSo: () => boolean) => {
  while (!isSo()) await new Promise(setImmediate);
};
const someoneWaits = () => until(() => clock.nextDueMs() !== undefined);

/** A switch that has a time leaves others a moment. */
async function settled<T>(switching: Promise<T>): Promise<T> {
  await someoneWaits();
  clock.advance(50);
  return switching;
}

test('a switch is done while another version is being built', async () => {
  const executor = await start();
  await executor.execute('www-1', await prepareContainer(1));
  await executor.execute('switch-1', await switchContainer(1, 0));
  await executor.execute('www-2', await prepareContainer(2));
  holdFlushes();
  const building = executor.execute('www-3', await prepareContainer(3));
  const report = await executor.execute('switch-2', await switchContainer(2, 0));
  expect(report).toMatchObject({ status: NodeStatus.SWITCHED, error: '', onReceipt: false });
  expect(readFileSync(live(), 'utf8')).toBe('2');
  flush();
  expect((await building).status).toBe(NodeStatus.PREPARED);
});

test('a switch to what is being built waits for it', async () => {
  const executor = await start();
  holdFlushes();
  const building = executor.execute('www-1', await prepareContainer(1));
  const switching = executor.execute('switch-1', await switchContainer(1, 0));
  flush();
  expect((await building).status).toBe(NodeStatus.PREPARED);
  expect((await switching).status).toBe(NodeStatus.SWITCHED);
});

test('a switch is done at its time, and no build begins just before it', async () => {
  const executor = await start();
  await executor.execute('www-1', await prepareContainer(1));
  const switching = executor.execute('switch-1', await switchContainer(1, 10_500));
  await someoneWaits();
  const building = executor.execute('www-2', await prepareContainer(2));
  await idle();
  clock.advance(499);
  await idle();
  expect(existsSync(live())).toBe(false);
  expect(existsSync(join(root, 'sites/www/versions/2'))).toBe(false);
  await someoneWaits();
  clock.advance(1);
  await until(() => existsSync(live()));
  await someoneWaits();
  clock.advance(50);
  expect(await switching).toMatchObject({ status: NodeStatus.SWITCHED, switchedAtMs: 10_500n });
  expect((await building).status).toBe(NodeStatus.PREPARED);
});

test.each([
  ['is off too far', { offsetMs: 0, errorMs: 501 }],
  ['was never measured', { offsetMs: 0, errorMs: 0 }],
])('a server whose clock %s switches on receipt and says so', async (_, controlClock) => {
  const executor = await start(controlClock);
  await executor.execute('www-1', await prepareContainer(1));
  const report = await settled(executor.execute('switch-1', await switchContainer(1, 99_000)));
  expect(report).toMatchObject({ status: NodeStatus.SWITCHED, onReceipt: true, error: '' });
  expect(report.clockErrorMs).toBe(controlClock.errorMs);
});

test('one that gets its switch late switches at once', async () => {
  const executor = await start();
  await executor.execute('www-1', await prepareContainer(1));
  const report = await settled(executor.execute('switch-1', await switchContainer(1, 9_000)));
  expect(report).toMatchObject({ switchedAtMs: 10_000n, onReceipt: false });
});

test('a switch of much later is given back with its time, and changes nothing', async () => {
  const ahead = { offsetMs: 1_000, errorMs: 3 };
  const executor = await start(ahead, 60_000);
  await executor.execute('www-1', await prepareContainer(1));
  const path = await switchContainer(1, 71_001);
  await expect(executor.execute('switch-1', path)).rejects.toEqual(new NotDue(71_001));
  expect(executor.reportOf('switch-1')).toBe(undefined);
  expect(existsSync(live())).toBe(false);
  clock.advance(60_001);
  const report = await settled(executor.execute('switch-1', path));
  expect(report).toMatchObject({ status: NodeStatus.SWITCHED, switchedAtMs: 71_001n });
});
