import { isAbsolute } from 'node:path';
import { create, equals } from '@bufbuild/protobuf';
import {
  bodyEncryption,
  bodyEncryptions,
  type ConfigureSite,
  type CreateSite,
  type DomainEvent,
  type EditSite,
  event,
  type SiteCreated,
  SiteCreatedSchema,
  type SitePolicy,
  SitePolicySchema,
} from '#libs/contracts/index.js';
import { pushedStaging } from '#libs/delta/pushed.js';
import { stagedParts } from '#libs/delta/staged.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';
import { InvalidEncryption, InvalidStaging, SiteExists, UnknownSite } from './errors.js';
import { requireName } from './names.js';
import { parseSelector } from './selector.js';
import { configurationAfter } from './site-configuration.js';

const fileType = /^\.[^./\sA-Z]+$/;

export type SiteEvent = DomainEvent<'SiteCreated' | 'SiteEdited'>;
export type SiteCommand =
  | { readonly type: 'CreateSite'; readonly data: CreateSite }
  | { readonly type: 'EditSite'; readonly data: EditSite }
  | { readonly type: 'ConfigureSite'; readonly data: ConfigureSite; readonly nowMs: number };

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
  decide(command, state) {
    switch (command.type) {
      case 'CreateSite':
        return creation(command.data, state);
      case 'EditSite':
        return edit(command.data, state);
      case 'ConfigureSite':
        return configuration(command.data, state, command.nowMs);
    }
  },
};

/** @throws InvalidName, InvalidStaging, InvalidSelector, InvalidEncryption, SiteExists */
function creation(command: CreateSite, state: Site): SiteEvent[] {
  requireName('site', command.site);
  requireStaging(command.staging);
  const { site, staging, filters } = command;
  if (command.policy) requirePolicy(command.policy);
  const present = state.situation === 'absent' ? undefined : state.settings.policy;
  const policy = keepingConfiguration(command.policy, present);
  const created = event('SiteCreated', { site, staging, filters, policy });
  if (state.situation === 'absent') return [created];
  if (equals(SiteCreatedSchema, created.data, state.settings)) return [];
  throw new SiteExists(site, state.settings.staging);
}

/** @throws UnknownSite, InvalidStaging, InvalidSelector, InvalidEncryption */
function edit(command: EditSite, state: Site): SiteEvent[] {
  const { site, staging, filters } = command;
  if (state.situation === 'absent') throw new UnknownSite(site);
  requireStaging(staging);
  if (command.policy) requirePolicy(command.policy);
  const policy = keepingConfiguration(command.policy, state.settings.policy);
  const wanted = policy ?? state.settings.policy;
  const edited = create(SiteCreatedSchema, { site, staging, filters, policy: wanted });
  if (equals(SiteCreatedSchema, edited, state.settings)) return [];
  return [event('SiteEdited', { site, staging, filters, policy })];
}

function requirePolicy(policy: SitePolicy): void {
  if (policy.hot?.selector) parseSelector(policy.hot.selector);
  const { encryption, neverEncrypt, encryptOnly } = policy;
  const types = [...neverEncrypt, ...encryptOnly];
  if (!bodyEncryptions.includes(encryption)) {
    throw new InvalidEncryption(`the encryption ${encryption} is unknown`);
  }
  if (types.length > 0 && encryption !== bodyEncryption) {
    throw new InvalidEncryption('file types are named, but nothing is encrypted');
  }
  if (neverEncrypt.length > 0 && encryptOnly.length > 0) {
    throw new InvalidEncryption('file types are named that are encrypted, and ones that are not');
  }
  // Whoever mistypes the extension of a secret would send it in clear.
  const strange = types.find((type) => !fileType.test(type));
  if (strange !== undefined) throw new InvalidEncryption(`${strange} is not a file type`);
}

/** @throws UnknownSite, InvalidConfiguration */
function configuration(command: ConfigureSite, state: Site, nowMs: number): SiteEvent[] {
  if (state.situation === 'absent') throw new UnknownSite(command.site);
  const { site, staging, filters } = state.settings;
  const present = state.settings.policy ?? create(SitePolicySchema);
  const values = configurationAfter(present.configuration, command, nowMs);
  const policy: SitePolicy = { ...present, configuration: values };
  if (equals(SitePolicySchema, policy, present)) return [];
  return [event('SiteEdited', { site, staging, filters, policy })];
}

/** Only ConfigureSite changes values, so that nobody who edits a site takes others' values back. */
function keepingConfiguration(
  policy: SitePolicy | undefined,
  present: SitePolicy | undefined,
): SitePolicy | undefined {
  return policy && { ...policy, configuration: present?.configuration ?? [] };
}

function requireStaging(staging: string): void {
  const isKnown =
    isAbsolute(staging) || staging === pushedStaging || stagedParts(staging) !== undefined;
  if (!isKnown) throw new InvalidStaging(staging);
}
