import { Controller, Inject } from '@nestjs/common';
import {
  DomainError,
  type ListQuery,
  ListQuerySchema,
  ListReplySchema,
  RunDetailSchema,
  type RunQuery,
  RunQuerySchema,
  subjects,
} from '#libs/contracts/index.js';
import { OnRequest } from '#libs/nest-jetstream/decorators.js';
import { ReadModelQueries } from '../postgres/read-model-queries.js';
import { ReadModelProjection } from '../postgres/running-projections.js';

const catchUpTimeoutMs = 5_000;

export class UnknownRun extends DomainError {
  override readonly name = 'UnknownRun';
  constructor(runId: string) {
    super(`there is no run ${runId}`, 'espalier get runs lists them');
  }
}

/** Queries of the read models, after they have caught up with what the caller has seen. */
@Controller()
export class QueriesController {
  constructor(
    @Inject(ReadModelQueries) private readonly queries: ReadModelQueries,
    @Inject(ReadModelProjection) private readonly projection: ReadModelProjection,
  ) {}

  @OnRequest(subjects.command('reporting', 'List'), ListQuerySchema, ListReplySchema)
  async list({ kind, limit, atSequence }: ListQuery) {
    await this.projection.readModels.reaches(Number(atSequence), catchUpTimeoutMs);
    return this.queries.list(kind, limit);
  }

  @OnRequest(subjects.command('reporting', 'Run'), RunQuerySchema, RunDetailSchema)
  async run({ runId, atSequence }: RunQuery) {
    await this.projection.readModels.reaches(Number(atSequence), catchUpTimeoutMs);
    const detail = await this.queries.run(runId);
    if (!detail) throw new UnknownRun(runId);
    return detail;
  }
}
