import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { beforeEach, expect, test } from '@jest/globals';
import {
  type MemoryContentStore,
  memoryContentStore,
} from '#libs/content-store/adapters/memory-store.js';
import type { TreeEntry } from '#libs/content-store/manifest.js';
import { RunStartedSchema, StagingAnswerSchema } from '#libs/contracts/index.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { type AskStagingServer, servedOr } from './served-staging.js';

type Answer = MessageInitShape<typeof StagingAnswerSchema>['answer'];

const clock = new VirtualClock(1_000);
const local = { capture: () => Promise.reject(new Error('this host has no staging')) };
let store: MemoryContentStore;
let asked: string[];

beforeEach(() => {
  store = memoryContentStore();
  asked = [];
});

const run = (staging: string, dryRun = false) =>
  create(RunStartedSchema, { runId: 'run-1', site: 'www', staging: `servers:${staging}`, dryRun });

/** What the servers say, each answer once; then they are silent. */
function captureWith(says: Record<string, Answer[]>, staging: string, dryRun = false) {
  const ask: AskStagingServer = async (server) => {
    asked.push(server);
    const answer = says[server]?.shift();
    return answer && create(StagingAnswerSchema, { answer });
  };
  const captured = servedOr({ store, ask, clock, awayMs: 5_000 }, local).capture(
    run(staging, dryRun),
  );
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  captured.then(over, over);
  const timePasses = async () => {
    while (!isOver) {
      clock.advance(500);
      await new Promise(setImmediate);
    }
  };
  void timePasses();
  return captured;
}

async function staged(path: string, content: string | undefined = path): Promise<Answer> {
  const digest = content === '' ? 'ab'.repeat(32) : await store.write(Buffer.from(content));
  const mode = 0o644;
  const entry: TreeEntry = { type: 'file', path, mode, sizeBytes: 1, mtimeMs: 0, digest };
  const manifestDigest = Buffer.from(await store.writeManifest([entry]), 'hex');
  return { case: 'staged', value: { manifestDigest: new Uint8Array(manifestDigest) } };
}

const working: Answer = { case: 'working', value: {} };

test('each part comes from its server, once that is done', async () => {
  const says = { build: [working, working, await staged('a')], media: [await staged('b')] };
  const { manifest } = await captureWith(says, 'build,media=video');
  expect(manifest.map(({ path }) => path)).toEqual(['a', 'video', 'video/b']);
});

test('where the first server is away the next one is asked', async () => {
  const { manifest } = await captureWith({ spare: [await staged('a')] }, 'build,spare');
  expect(manifest).toHaveLength(1);
  expect(asked.at(-1)).toBe('spare');
});

test('the run ends with the names of those that are away, also of one that was there', async () => {
  const away = captureWith({ build: [working] }, 'build,spare');
  await expect(away).rejects.toThrow('no staging server of www answers, none of build, spare');
  const part = captureWith({ build: [await staged('a')] }, 'build,media=video');
  await expect(part).rejects.toThrow('no staging server of video of www answers, not media');
});

test('what a staging server refuses ends the run with its words and remedy', async () => {
  const value = { code: 'UnreadableFile', message: '/srv/x cannot be read', remedy: 'chmod it' };
  const refused = captureWith({ build: [{ case: 'refused', value }] }, 'build,spare');
  await expect(refused).rejects.toMatchObject({
    message: 'staging server build: /srv/x cannot be read',
    remedy: 'chmod it',
  });
  expect(asked).toEqual(['build']);
});

test('content must have arrived, but for a dry run', async () => {
  const says = async () => ({ build: [await staged('a', '')] });
  await expect(captureWith(await says(), 'build')).rejects.toThrow('the content of a of www');
  expect((await captureWith(await says(), 'build', true)).manifest).toHaveLength(1);
});

test('other sites are not theirs', async () => {
  const ask = () => Promise.reject(new Error('nobody is asked'));
  const staging = servedOr({ store, ask, clock, awayMs: 1 }, local);
  const elsewhere = create(RunStartedSchema, { site: 'www', staging: '/srv/www' });
  await expect(staging.capture(elsewhere)).rejects.toThrow('this host has no staging');
});
