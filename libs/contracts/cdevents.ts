import type { CloudEvent } from './cloud-event.js';

/** A CDEvents 0.4 event: what pipelines of others understand. */
export interface CdEvent {
  readonly context: {
    readonly version: '0.4.1';
    /** The id of the event that it is a copy of. */
    readonly id: string;
    readonly source: string;
    readonly type: string;
    readonly timestamp: string;
  };
  readonly subject: {
    readonly id: string;
    readonly source: string;
    readonly type: string;
    readonly content: Readonly<Record<string, unknown>>;
  };
  readonly customData: CloudEvent;
  readonly customDataContentType: 'application/cloudevents+json';
}

type Data = Readonly<Record<string, unknown>>;
type Mapping = (data: Data) => {
  readonly type: string;
  readonly subject: string;
  readonly id: string;
  readonly content: Data;
};

const run =
  (predicate: 'queued' | 'started' | 'finished', outcome?: string): Mapping =>
  (data) => ({
    type: `dev.cdevents.pipelinerun.${predicate}.0.2.0`,
    subject: 'pipelineRun',
    id: String(data.runId),
    content: {
      pipelineName: String(data.site ?? ''),
      ...(outcome ? { outcome } : {}),
      ...(data.reason ? { errors: String(data.reason) } : {}),
    },
  });

/** A run is a pipeline run, a site a service, and the version that it has live its artifact. */
const mappings: Readonly<Record<string, Mapping>> = {
  RunRequested: run('queued'),
  RunStarted: run('started'),
  RunCompleted: run('finished', 'success'),
  RunPartiallyCompleted: run('finished', 'failure'),
  RunFailed: run('finished', 'failure'),
  RunAborted: run('finished', 'error'),
  RunCancelled: run('finished', 'error'),
  ShadowMoved: (data) => ({
    type: 'dev.cdevents.service.upgraded.0.2.0',
    subject: 'service',
    id: String(data.site),
    content: {
      environment: { id: 'espalier' },
      artifactId: `pkg:generic/${data.site}@${data.sequence}`,
    },
  }),
};

/** The copy of an event; `undefined` for those that CDEvents has no words for. */
export function cdEventOf(event: CloudEvent): CdEvent | undefined {
  const mapping = mappings[event.type.slice(event.type.lastIndexOf('.') + 1)];
  if (!mapping) return undefined;
  const { type, subject, id, content } = mapping(event.data as Data);
  const { source, time: timestamp } = event;
  return {
    context: { version: '0.4.1', id: event.id, source, type, timestamp },
    subject: { id, source, type: subject, content },
    customData: event,
    customDataContentType: 'application/cloudevents+json',
  };
}

/** Where the copy goes: `cdevents.<subject>.<predicate>`. */
export function cdEventSubject({ context }: CdEvent): string {
  const [, , subject, predicate] = context.type.split('.');
  return `cdevents.${subject}.${predicate}`;
}
