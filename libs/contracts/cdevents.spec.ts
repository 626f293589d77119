import { describe, expect, it } from '@jest/globals';
import { cdEventOf, cdEventSubject, event, toCloudEvent } from './index.js';

const stored = (happened: ReturnType<typeof event>) =>
  toCloudEvent({
    ...happened,
    id: 'e1',
    aggregate: { type: 'outcome', id: 'r1' },
    version: 1,
    timeMs: 0,
    context: { actor: 'cli:ann', correlationId: 'r1', causationId: 'c' },
  });

describe('copies as CDEvents', () => {
  it('tell that a run has failed, and why', () => {
    const failed = stored(event('RunFailed', { runId: 'r1', site: 'www', reason: 'disk full' }));
    const copy = cdEventOf(failed);
    expect(copy).toMatchObject({
      context: { id: 'e1', type: 'dev.cdevents.pipelinerun.finished.0.2.0', version: '0.4.1' },
      subject: {
        id: 'r1',
        type: 'pipelineRun',
        content: { pipelineName: 'www', outcome: 'failure', errors: 'disk full' },
      },
    });
    expect(copy && cdEventSubject(copy)).toBe('cdevents.pipelinerun.finished');
  });

  it('tell which version of a site is live', () => {
    const moved = stored(event('ShadowMoved', { site: 'www', sequence: 7n }));
    expect(cdEventOf(moved)?.subject.content).toMatchObject({ artifactId: 'pkg:generic/www@7' });
  });

  it('are not made of what CDEvents has no words for', () => {
    expect(cdEventOf(stored(event('LeaderNotified', {})))).toBeUndefined();
  });
});
