import { createHash } from 'node:crypto';
import {
  type AbortRun,
  AbortRunSchema,
  CancelRunSchema,
  ConflictPolicy,
  HistoryQuerySchema,
  JobType,
  RequestRunSchema,
  RunDetailSchema,
  RunQuerySchema,
  type SiteHistory,
  SiteHistorySchema,
  subjects,
} from '#libs/contracts/index.js';
import type { Caller } from '#libs/nest-jetstream/context.js';
import { CommandRefusedError, type ServiceClient } from '#libs/nest-jetstream/service-client.js';

/** What became of a run that was to be aborted. */
export interface Aborted {
  readonly id: string;
  readonly sequence: number;
  /** The run that takes it back, where it was committed already. */
  readonly rollbackRunId?: string;
}

type Services = Pick<ServiceClient, 'command' | 'request'>;
const queryTimeoutMs = 10_000;

/**
 * Ends a run before its commit. One that waits, or a rollout, is the scheduler's to end; one that
 * is committed is taken back by a rollback, which waits in the queue until it has ended.
 * @throws CommandRefusedError
 */
export async function abortRun(
  services: Services,
  command: Pick<AbortRun, 'runId' | 'reason'>,
  caller: Caller,
): Promise<Aborted> {
  const { runId, reason } = command;
  try {
    return await services.command('reporting', 'AbortRun', AbortRunSchema, command, caller);
  } catch (error) {
    if (!(error instanceof CommandRefusedError)) throw error;
    if (error.code === 'UnknownStartedRun') {
      const cancel = { runId, reason };
      return services.command('scheduler', 'CancelRun', CancelRunSchema, cancel, caller);
    }
    const rollback = error.code === 'TooLateToAbort' && (await rollbackOf(services, runId));
    if (!rollback) throw error;
    const accepted = await services.command(
      'scheduler',
      'RequestRun',
      RequestRunSchema,
      rollback,
      caller,
    );
    return { ...accepted, rollbackRunId: rollback.runId };
  }
}

/** Undefined where the run is not what is live, or nothing was live before. */
async function rollbackOf(services: Services, runId: string) {
  const asked = [RunQuerySchema, RunDetailSchema] as const;
  const about = subjects.command('reporting', 'Run');
  const { run } = await services.request(about, ...asked, { runId }, queryTimeoutMs);
  if (!run) return undefined;
  const { site } = run;
  const history = await services.request(
    subjects.command('delta', 'History'),
    ...([HistoryQuerySchema, SiteHistorySchema] as const),
    { site },
    queryTimeoutMs,
  );
  const to = versionBefore(history, runId);
  if (to === undefined) return undefined;
  const policies = { conflict: ConflictPolicy.QUEUE };
  const id = derivedId(runId);
  return { runId: id, site, type: JobType.ROLLBACK, to, terms: { policies } };
}

function versionBefore({ versions }: SiteHistory, runId: string): string | undefined {
  const [live, before] = versions;
  return live?.runId === runId && !live.takenBack ? before?.sequence.toString() : undefined;
}

/** In the form of a UUID; the same for each repetition. */
function derivedId(runId: string): string {
  const hex = createHash('sha256').update(`abort/${runId}`).digest('hex');
  const ends = [8, 12, 16, 20, 32];
  return ends.map((end, index) => hex.slice(ends[index - 1] ?? 0, end)).join('-');
}
