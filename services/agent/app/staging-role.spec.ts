import { create } from '@bufbuild/protobuf';
import { expect, test } from '@jest/globals';
import { StagingOrderSchema } from '#libs/contracts/index.js';
import { UnreadableFile } from '#libs/delta/scan-errors.js';
import { type BringTree, StagingRole } from './staging-role.js';

const settled = () => new Promise(setImmediate);
const order = (runId: string, site = 'www') => create(StagingOrderSchema, { runId, site });

function role() {
  const asked: { directory: string; done: () => void; fail: (error: Error) => void }[] = [];
  const bring: BringTree = (directory, _order, onSent) =>
    new Promise((resolve, reject) => {
      onSent(7);
      const done = () => resolve({ manifestDigest: new Uint8Array([1]), sentBytes: 7n });
      asked.push({ directory, done, fail: reject });
    });
  return { asked, role: new StagingRole(new Map([['www', '/srv/www']]), bring, () => {}) };
}

test('an order is worked on once, and told how it stands whenever it comes', async () => {
  const { role: staging, asked } = role();
  expect(staging.answer(order('run-1')).answer).toMatchObject({
    case: 'working',
    value: { sentBytes: 7n },
  });
  staging.answer(order('run-1'));
  asked[0]?.done();
  await settled();
  for (const _ of ['asked', 'asked again']) {
    expect(staging.answer(order('run-1')).answer).toMatchObject({
      case: 'staged',
      value: { manifestDigest: new Uint8Array([1]) },
    });
  }
  expect(asked.map(({ directory }) => directory)).toEqual(['/srv/www']);
  staging.answer(order('run-2'));
  expect(asked).toHaveLength(2);
});

test('what goes wrong is told with its remedy, and done anew when asked again', async () => {
  const { role: staging, asked } = role();
  staging.answer(order('run-1'));
  asked[0]?.fail(new UnreadableFile('/srv/www/secret', { code: 'EACCES' }));
  await settled();
  expect(staging.answer(order('run-1')).answer).toMatchObject({
    case: 'refused',
    value: {
      code: 'UnreadableFile',
      message: '/srv/www/secret cannot be read (EACCES)',
      remedy: expect.stringContaining('exclude it'),
    },
  });
  expect(staging.answer(order('run-1')).answer.case).toBe('working');
  expect(asked).toHaveLength(2);
});

test('only the sites that this host was started with are staged', () => {
  const { role: staging, asked } = role();
  expect(staging.answer(order('run-1', 'etc')).answer).toMatchObject({
    case: 'refused',
    value: { code: 'NotStagedHere', message: 'it has no directory for etc' },
  });
  expect(asked).toEqual([]);
});
