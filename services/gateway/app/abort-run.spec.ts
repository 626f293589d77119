import { create, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, test } from '@jest/globals';
import {
  ConflictPolicy,
  JobType,
  RunDetailSchema,
  SiteHistorySchema,
  subjects,
} from '#libs/contracts/index.js';
import { CommandRefusedError } from '#libs/nest-jetstream/service-client.js';
import { abortRun } from './abort-run.js';

type Versions = NonNullable<MessageInitShape<typeof SiteHistorySchema>['versions']>;

const caller = { actor: 'cli:ann', commandId: 'c' };
let versions: Versions;
let asked: { name: string; command: unknown }[];
let refusal: string | undefined;

/** Services of which reporting refuses to abort. */
const services = {
  async command(_service: string, name: string, _schema: DescMessage, command: unknown) {
    asked.push({ name, command });
    if (name === 'AbortRun' && refusal) throw new CommandRefusedError(refusal, 'no', 'wait');
    return { id: 'x', sequence: 9 };
  },
  async request(subject: string) {
    if (subject === subjects.command('delta', 'History')) {
      return create(SiteHistorySchema, { versions });
    }
    return create(RunDetailSchema, { run: { runId: 'r', site: 'www' } });
  },
} as unknown as Parameters<typeof abortRun>[0];

const abort = () => abortRun(services, { runId: 'r', reason: 'wrong' }, caller);

beforeEach(() => {
  asked = [];
  refusal = undefined;
  versions = [
    { runId: 'r', sequence: 7n },
    { runId: 'q', sequence: 5n },
  ];
});

describe('to abort a run', () => {
  test('ends it before its commit', async () => {
    expect(await abort()).toEqual({ id: 'x', sequence: 9 });
    expect(asked.map(({ name }) => name)).toEqual(['AbortRun']);
  });

  test('cancels one that has not started', async () => {
    refusal = 'UnknownStartedRun';
    await abort();
    expect(asked[1]).toEqual({ name: 'CancelRun', command: { runId: 'r', reason: 'wrong' } });
  });

  test('goes back to the version before it where it is committed, once', async () => {
    refusal = 'TooLateToAbort';
    const { rollbackRunId } = await abort();
    expect(asked[1]?.name).toBe('RequestRun');
    const terms = { policies: { conflict: ConflictPolicy.QUEUE } };
    const rollback = { runId: rollbackRunId, site: 'www', type: JobType.ROLLBACK, to: '5', terms };
    expect(asked[1]?.command).toEqual(rollback);
    expect((await abort()).rollbackRunId).toBe(rollbackRunId);
  });

  test.each<[string, Versions]>([
    ['nothing was live before', [{ runId: 'r', sequence: 7n }]],
    [
      'another run is live',
      [
        { runId: 's', sequence: 9n },
        { runId: 'r', sequence: 7n },
      ],
    ],
    ['its servers switched back', [{ runId: 'r', sequence: 5n, takenBack: true }, { runId: 'r' }]],
    [
      'it keeps what is live',
      [
        { runId: 'q', sequence: 5n },
        { runId: 'p', sequence: 3n },
      ],
    ],
  ])('is refused after its commit where %s', async (_, known) => {
    refusal = 'TooLateToAbort';
    versions = known;
    await expect(abort()).rejects.toMatchObject({ code: 'TooLateToAbort' });
    expect(asked).toHaveLength(1);
  });

  test('is refused when it is over', async () => {
    refusal = 'RunIsOver';
    await expect(abort()).rejects.toMatchObject({ code: 'RunIsOver' });
    expect(asked).toHaveLength(1);
  });
});
