import { isAbsolute } from 'node:path';
import { create, equals } from '@bufbuild/protobuf';
import {
  type CreateSite,
  type DomainEvent,
  type EditSite,
  event,
  type SiteCreated,
  SiteCreatedSchema,
} from '#libs/contracts/index.js';
import { pushedStaging } from '#libs/delta/pushed.js';
import { stagedParts } from '#libs/delta/staged.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';
import { InvalidStaging, SiteExists, UnknownSite } from './errors.js';
import { requireName } from './names.js';
import { parseSelector } from './selector.js';

export type SiteEvent = DomainEvent<'SiteCreated' | 'SiteEdited'>;
export type SiteCommand =
  | { readonly type: 'CreateSite'; readonly data: CreateSite }
  | { readonly type: 'EditSite'; readonly data: EditSite };

export type Site =
  | { readonly situation: 'absent' }
  | { readonly situation: 'created'; readonly settings: SiteCreated };

/** A hosted site: its name, staging directory, filters and policies. */
export const siteAggregate: Aggregate<Site, SiteCommand, SiteEvent> = {
  type: 'site',
  initial: { situation: 'absent' },
  evolve(state, { type, data }) {
    if (type === 'SiteCreated') return { situation: 'created', settings: data };
    if (state.situation === 'absent') return state;
    const { staging, filters, policy } = data;
    const settings = { ...state.settings, staging, filters, ...(policy ? { policy } : {}) };
    return { situation: 'created', settings };
  },
  decide: ({ type, data }, state) =>
    type === 'CreateSite' ? creation(data, state) : edit(data, state),
};

/** @throws InvalidName, InvalidStaging, InvalidSelector, SiteExists */
function creation(command: CreateSite, state: Site): SiteEvent[] {
  requireName('site', command.site);
  requireStaging(command.staging);
  const { site, staging, filters, policy } = command;
  if (policy?.hot?.selector) parseSelector(policy.hot.selector);
  const created = event('SiteCreated', { site, staging, filters, policy });
  if (state.situation === 'absent') return [created];
  if (equals(SiteCreatedSchema, created.data, state.settings)) return [];
  throw new SiteExists(site, state.settings.staging);
}

/** @throws UnknownSite, InvalidStaging, InvalidSelector */
function edit({ site, staging, filters, policy }: EditSite, state: Site): SiteEvent[] {
  if (state.situation === 'absent') throw new UnknownSite(site);
  requireStaging(staging);
  if (policy?.hot?.selector) parseSelector(policy.hot.selector);
  const wanted = policy ?? state.settings.policy;
  const edited = create(SiteCreatedSchema, { site, staging, filters, policy: wanted });
  if (equals(SiteCreatedSchema, edited, state.settings)) return [];
  return [event('SiteEdited', { site, staging, filters, policy })];
}

function requireStaging(staging: string): void {
  const isKnown =
    isAbsolute(staging) || staging === pushedStaging || stagedParts(staging) !== undefined;
  if (!isKnown) throw new InvalidStaging(staging);
}
