import { isAbsolute } from 'node:path';
import { equals } from '@bufbuild/protobuf';
import {
  type CreateSite,
  type DomainEvent,
  event,
  type SiteCreated,
  SiteCreatedSchema,
} from '#libs/contracts/index.js';
import { pushedStaging } from '#libs/delta/pushed.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';
import { InvalidStaging, SiteExists } from './errors.js';
import { requireName } from './names.js';

export type SiteEvent = DomainEvent<'SiteCreated'>;

export type Site =
  | { readonly situation: 'absent' }
  | { readonly situation: 'created'; readonly settings: SiteCreated };

/** A hosted site: its name, staging directory, filters and policies. */
export const siteAggregate: Aggregate<Site, CreateSite, SiteEvent> = {
  type: 'site',
  initial: { situation: 'absent' },
  evolve: (_state, { data }) => ({ situation: 'created', settings: data }),
  decide,
};

/** @throws InvalidName, InvalidStaging, SiteExists */
function decide(command: CreateSite, state: Site): SiteEvent[] {
  requireName('site', command.site);
  const isKnown = isAbsolute(command.staging) || command.staging === pushedStaging;
  if (!isKnown) throw new InvalidStaging(command.staging);
  const { site, staging, filters, policy } = command;
  const created = event('SiteCreated', { site, staging, filters, policy });
  if (state.situation === 'absent') return [created];
  if (equals(SiteCreatedSchema, created.data, state.settings)) return [];
  throw new SiteExists(site, state.settings.staging);
}
