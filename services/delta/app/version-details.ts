import { create } from '@bufbuild/protobuf';
import { ChangeSummarySchema, JobType, type VersionView } from '#libs/contracts/index.js';
import type { EventLog } from '#libs/event-log/event-log.js';

/** Versions of which more than the log of the shadow says is told. */
const detailedVersions = 100;

/** Adds who made the newest versions, why, and what changed: from the events of their runs. */
export async function addDetails(log: EventLog, versions: readonly VersionView[]): Promise<void> {
  await Promise.all(versions.slice(0, detailedVersions).map((version) => detail(log, version)));
}

async function detail(log: EventLog, version: VersionView): Promise<void> {
  const { runId: id } = version;
  const [run, changes] = await Promise.all([
    log.read({ type: 'run', id }),
    log.read({ type: 'changeset', id }),
  ]);
  for (const { type, data, context } of run) {
    if (type !== 'RunRequested') continue;
    const { actor, reason = '' } = context;
    const kind = (JobType[data.type] ?? '').toLowerCase().replaceAll('_', '-');
    Object.assign(version, { actor, reason, type: kind, trigger: data.terms?.trigger ?? '' });
  }
  for (const { type, data } of changes) {
    if (type !== 'ChangeSetComputed') continue;
    const { $typeName: _, $unknown: __, ...counts } = data.counts ?? { $typeName: '' };
    version.changes = create(ChangeSummarySchema, {
      ...counts,
      treeBytes: Number(data.treeBytes),
      changedBytes: Number(data.changedBytes),
      diskNeededBytes: Number(data.diskNeededBytes),
      scanMs: Number(data.scanMs),
    });
  }
}
