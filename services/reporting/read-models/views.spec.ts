import { describe, expect, test } from '@jest/globals';
import { AssignmentRow, RunLinkRow, RunRow, RunSegmentRow } from '../adapters/postgres/entities.js';
import { runDetail } from './views.js';

const assignment = (id: string, bytes: number) =>
  Object.assign(new AssignmentRow(), { id, bytes, sequence: 1, built_at: new Date(0) });
const link = (segment: string, assignmentId: string, bytes: number, sources = {}) =>
  Object.assign(new RunLinkRow(), {
    ...{ segment, assignment_id: assignmentId, bytes, sources },
    ...{ source: 'origin', duration_ms: 10 },
  });

test('what deltas saved is told for each link and together, never below nothing', () => {
  const changes = { changedBytes: 1_000 };
  const run = Object.assign(new RunRow(), { outcome: 'completed', job_version: 0, changes });
  const links = [link('paris', 'small', 100), link('rome', 'whole', 9_000)];
  const assignments = [assignment('whole', 9_000), assignment('small', 100)];
  const detail = runDetail({ run, nodes: [], assignments, links, segments: [] });
  expect(detail.links.map(({ saved }) => saved)).toEqual([900, 0]);
  expect(detail.bytes).toMatchObject({ wan: 9_100, saved: 900 });
});

function linksOf(assignments: readonly AssignmentRow[], links: readonly RunLinkRow[]) {
  const run = Object.assign(new RunRow(), { outcome: 'completed', job_version: 0 });
  const sent = Object.assign(new RunSegmentRow(), { multicast: 0, repair: 0, unicast: 0 });
  const rows = { run, nodes: [], assignments, links, segments: [sent] };
  return runDetail(rows).links.map(({ segment, copiesPermille, excess }) => ({
    ...{ segment, copiesPermille, excess },
  }));
}

describe('the copies that a link carried', () => {
  test('are those of the assignments that came over it, not of what others got', () => {
    const assignments = [
      assignment('whole', 9_000),
      assignment('small', 900),
      assignment('go', 100),
    ];
    const links = [
      ...[link('paris', 'whole', 9_000), link('paris', 'go', 100)],
      ...[link('rome', 'small', 900), link('rome', 'go', 100)],
    ];
    const once = { copiesPermille: 1_000, excess: false };
    expect(linksOf(assignments, links)).toEqual([
      { segment: 'paris', ...once },
      { segment: 'rome', ...once },
    ]);
  });

  test('are too many beyond 1.05, also where others got much more', () => {
    const assignments = [assignment('whole', 90_000), assignment('small', 1_000)];
    const links = [link('oslo', 'small', 1_050), link('rome', 'small', 1_060)];
    expect(linksOf(assignments, links)).toEqual([
      { segment: 'oslo', copiesPermille: 1_050, excess: false },
      { segment: 'rome', copiesPermille: 1_060, excess: true },
    ]);
  });
});
