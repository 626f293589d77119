import { isAbsolute } from 'node:path';
import { create, equals } from '@bufbuild/protobuf';
import {
  type CreateSite,
  type DomainEvent,
  type EditSite,
  event,
  type SiteCreated,
  SiteCreatedSchema,
  type SitePolicy,
} from '#libs/contracts/index.js';
import { pushedStaging } from '#libs/delta/pushed.js';
import { stagedParts } from '#libs/delta/staged.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';
import { InvalidEncryption, InvalidStaging, SiteExists, UnknownSite } from './errors.js';
import { requireName } from './names.js';
import { parseSelector } from './selector.js';

const encryptions = ['', 'none', 'aes-256-gcm'];
const fileType = /^\.[^./\sA-Z]+$/;

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

/** @throws InvalidName, InvalidStaging, InvalidSelector, InvalidEncryption, SiteExists */
function creation(command: CreateSite, state: Site): SiteEvent[] {
  requireName('site', command.site);
  requireStaging(command.staging);
  const { site, staging, filters, policy } = command;
  if (policy) requirePolicy(policy);
  const created = event('SiteCreated', { site, staging, filters, policy });
  if (state.situation === 'absent') return [created];
  if (equals(SiteCreatedSchema, created.data, state.settings)) return [];
  throw new SiteExists(site, state.settings.staging);
}

/** @throws UnknownSite, InvalidStaging, InvalidSelector, InvalidEncryption */
function edit({ site, staging, filters, policy }: EditSite, state: Site): SiteEvent[] {
  if (state.situation === 'absent') throw new UnknownSite(site);
  requireStaging(staging);
  if (policy) requirePolicy(policy);
  const wanted = policy ?? state.settings.policy;
  const edited = create(SiteCreatedSchema, { site, staging, filters, policy: wanted });
  if (equals(SiteCreatedSchema, edited, state.settings)) return [];
  return [event('SiteEdited', { site, staging, filters, policy })];
}

function requirePolicy(policy: SitePolicy): void {
  if (policy.hot?.selector) parseSelector(policy.hot.selector);
  const { encryption, neverEncrypt, encryptOnly } = policy;
  const types = [...neverEncrypt, ...encryptOnly];
  if (!encryptions.includes(encryption)) {
    throw new InvalidEncryption(`the encryption ${encryption} is unknown`);
  }
  if (types.length > 0 && encryption !== 'aes-256-gcm') {
    throw new InvalidEncryption('file types are named, but nothing is encrypted');
  }
  if (neverEncrypt.length > 0 && encryptOnly.length > 0) {
    throw new InvalidEncryption('file types are named that are encrypted, and ones that are not');
  }
  // Whoever mistypes the extension of a secret would send it in clear.
  const strange = types.find((type) => !fileType.test(type));
  if (strange !== undefined) throw new InvalidEncryption(`${strange} is not a file type`);
}

function requireStaging(staging: string): void {
  const isKnown =
    isAbsolute(staging) || staging === pushedStaging || stagedParts(staging) !== undefined;
  if (!isKnown) throw new InvalidStaging(staging);
}
