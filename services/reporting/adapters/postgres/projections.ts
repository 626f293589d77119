import type { EntityManager } from 'typeorm';
import type { Projection } from '#libs/event-log/projection.js';
import { changesOf } from '../../read-models/projection.js';
import { statementsOf } from './change-sql.js';

/** The read models of sites, groups, nodes, segments, runs and assignments. */
export const readModels: Projection<EntityManager> = {
  name: 'read-models-1',
  async apply(transaction, events) {
    for (const { sql, parameters } of statementsOf(events.flatMap(changesOf))) {
      await transaction.query(sql, parameters);
    }
  },
};
