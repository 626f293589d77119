import { type JsonObject, toJson } from '@bufbuild/protobuf';
import { stringify } from 'yaml';
import { JobSpecSchema, type JobView } from '#libs/contracts/index.js';

/** The text of a job's description. */
export function renderJob(job: JobView): string {
  const facts: [string, string][] = [
    ['Job', `${job.name}, version ${job.version}`],
    ['Status', job.status],
    ['Runs', job.triggers.join('; ') || 'when it is told to'],
    ['Last run', job.lastRunId],
    ['Last due', job.lastDueAt],
    ['Made', job.createdAt],
    ['Changed', job.changedAt],
  ];
  const spec = job.spec ? (toJson(JobSpecSchema, job.spec) as JsonObject) : {};
  return [
    ...facts
      .filter(([, value]) => value !== '')
      .map(([name, value]) => `${`${name}:`.padEnd(12)} ${value}`),
    '',
    'Next runs:',
    ...(job.nextRuns.length > 0 ? job.nextRuns : ['none by time']).map((time) => `  ${time}`),
    '',
    'Specification:',
    ...stringify(spec)
      .trimEnd()
      .split('\n')
      .map((line) => `  ${line}`),
  ].join('\n');
}
