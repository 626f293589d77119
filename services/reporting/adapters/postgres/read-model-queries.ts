import type { MessageInitShape } from '@bufbuild/protobuf';
import { type DataSource, In } from 'typeorm';
import { DomainError, type ListReplySchema } from '#libs/contracts/index.js';
import * as views from '../../read-models/views.js';
import {
  AssignmentRow,
  GroupRow,
  NodeRow,
  RunLinkRow,
  RunNodeRow,
  RunRow,
  RunSegmentRow,
  SegmentRow,
  SiteRow,
} from './entities.js';

const defaultLimit = 100;
const maxLimit = 1000;

export class UnknownList extends DomainError {
  override readonly name = 'UnknownList';
  constructor(kind: string) {
    super(
      `there is no list of ${kind}`,
      'ask for sites, groups, nodes, segments, runs or assignments',
    );
  }
}

/** Answers queries from the read models. */
export class ReadModelQueries {
  constructor(private readonly database: DataSource) {}

  /** A list of one kind. @throws UnknownList */
  async list(kind: string, limit: number): Promise<MessageInitShape<typeof ListReplySchema>> {
    const take = Math.min(limit || defaultLimit, maxLimit);
    switch (kind) {
      case 'sites':
        return { list: { case: kind, value: { sites: await this.sites() } } };
      case 'groups':
        return { list: { case: kind, value: { groups: await this.groups() } } };
      case 'nodes':
        return { list: { case: kind, value: { nodes: await this.nodes() } } };
      case 'segments':
        return { list: { case: kind, value: { segments: await this.segments() } } };
      case 'runs':
        return { list: { case: kind, value: { runs: await this.runs(take) } } };
      case 'assignments':
        return { list: { case: kind, value: { assignments: await this.assignments(take) } } };
      default:
        throw new UnknownList(kind);
    }
  }

  /** One run with all that belongs to it; `undefined` for an unknown one. */
  async run(runId: string) {
    const run = await this.database.getRepository(RunRow).findOneBy({ run_id: runId });
    if (!run) return undefined;
    const where = { run_id: runId };
    const [nodes, assignments, links, segments] = await Promise.all([
      this.nodesOf([runId]),
      this.database.getRepository(AssignmentRow).find({ where, order: { sequence: 'asc' } }),
      this.database.getRepository(RunLinkRow).findBy(where),
      this.database.getRepository(RunSegmentRow).findBy(where),
    ]);
    return views.runDetail({ run, nodes, assignments, links, segments });
  }

  /** Servers of runs; those of a rollout as its waves left them. */
  private async nodesOf(runIds: readonly string[]): Promise<RunNodeRow[]> {
    const repository = this.database.getRepository(RunNodeRow);
    const order = { segment: 'asc', node: 'asc' } as const;
    const own = await repository.find({ where: { run_id: In(runIds) }, order });
    const waves = await this.database.getRepository(RunRow).find({
      where: { rollout_run_id: In(runIds) },
      order: { requested_at: 'asc' },
    });
    if (waves.length === 0) return own;
    const inWaves = await repository.findBy({ run_id: In(waves.map((wave) => wave.run_id)) });
    return own.map((row) => {
      const latest = waves
        .filter((wave) => wave.rollout_run_id === row.run_id)
        .map(({ run_id }) => inWaves.find((one) => one.run_id === run_id && one.node === row.node))
        .findLast((found) => found !== undefined);
      return latest ? { ...latest, run_id: row.run_id } : row;
    });
  }

  private async sites() {
    const rows = await this.database.getRepository(SiteRow).find({ order: { name: 'asc' } });
    return rows.map(views.siteView);
  }

  private async groups() {
    const rows = await this.database.getRepository(GroupRow).find({ order: { name: 'asc' } });
    return rows.map(views.groupView);
  }

  private async nodes() {
    const segments = await this.database.getRepository(SegmentRow).find();
    const leaders = new Set(segments.map(({ leader }) => leader));
    const rows = await this.database
      .getRepository(NodeRow)
      .find({ order: { segment: 'asc', name: 'asc' } });
    return rows.filter(views.isEnrolled).map((row) => views.nodeView(row, leaders));
  }

  private async segments() {
    const rows = await this.database.getRepository(SegmentRow).find({ order: { name: 'asc' } });
    return rows.map(views.segmentView);
  }

  private async assignments(take: number) {
    const rows = await this.database
      .getRepository(AssignmentRow)
      .find({ order: { built_at: 'desc' }, take });
    return rows.map(views.assignmentView);
  }

  private async runs(take: number) {
    const rows = await this.database
      .getRepository(RunRow)
      .find({ order: { requested_at: { direction: 'desc', nulls: 'last' } }, take });
    const run_id = In(rows.map((row) => row.run_id));
    const nodes = await this.nodesOf(rows.map((row) => row.run_id));
    const assignments = await this.database.getRepository(AssignmentRow).findBy({ run_id });
    return rows.map((row) =>
      views.runView(
        row,
        nodes.filter((node) => node.run_id === row.run_id),
        assignments.filter((assignment) => assignment.run_id === row.run_id),
      ),
    );
  }
}
