import { equals } from '@bufbuild/protobuf';
import {
  type CreateGroup,
  type DeleteGroup,
  type DomainEvent,
  type EditGroup,
  event,
  type Membership,
  MembershipSchema,
} from '#libs/contracts/index.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';
import { GroupExists, InvalidMembership, UnknownGroup } from './errors.js';
import { requireName } from './names.js';
import { parseSelector } from './selector.js';

export type GroupEvent = DomainEvent<'GroupCreated' | 'GroupEdited' | 'GroupDeleted'>;

export type GroupCommand =
  | { readonly type: 'CreateGroup'; readonly data: CreateGroup }
  | { readonly type: 'EditGroup'; readonly data: EditGroup }
  | { readonly type: 'DeleteGroup'; readonly data: DeleteGroup };

export type Group =
  | { readonly situation: 'absent' }
  | { readonly situation: 'present'; readonly site: string; readonly membership: Membership }
  | { readonly situation: 'deleted' };

/** A content group: which servers receive a site. A deleted one may be created anew. */
export const groupAggregate: Aggregate<Group, GroupCommand, GroupEvent> = {
  type: 'group',
  initial: { situation: 'absent' },
  evolve,
  decide,
};

function evolve(state: Group, happened: GroupEvent): Group {
  switch (happened.type) {
    case 'GroupCreated': {
      const { site, membership } = happened.data;
      return { situation: 'present', site, membership: stored(membership) };
    }
    case 'GroupEdited':
      if (state.situation !== 'present') return state;
      return { ...state, membership: stored(happened.data.membership) };
    case 'GroupDeleted':
      return { situation: 'deleted' };
  }
}

/** @throws InvalidName, InvalidMembership, InvalidSelector, GroupExists, UnknownGroup */
function decide(command: GroupCommand, state: Group): GroupEvent[] {
  switch (command.type) {
    case 'CreateGroup':
      return create(command.data, state);
    case 'EditGroup':
      return edit(command.data, state);
    case 'DeleteGroup': {
      const { group } = command.data;
      if (state.situation === 'absent') throw new UnknownGroup(group);
      return state.situation === 'deleted' ? [] : [event('GroupDeleted', { group })];
    }
  }
}

function create({ group, site, membership }: CreateGroup, state: Group): GroupEvent[] {
  requireName('group', group);
  const wanted = requireMembership(group, membership);
  if (state.situation !== 'present') {
    return [event('GroupCreated', { group, site, membership: wanted })];
  }
  if (state.site === site && equals(MembershipSchema, state.membership, wanted)) return [];
  throw new GroupExists(group, state.site);
}

function edit({ group, membership }: EditGroup, state: Group): GroupEvent[] {
  if (state.situation !== 'present') throw new UnknownGroup(group);
  const wanted = requireMembership(group, membership);
  if (equals(MembershipSchema, state.membership, wanted)) return [];
  return [event('GroupEdited', { group, membership: wanted })];
}

function requireMembership(group: string, given: Membership | undefined): Membership {
  if (given === undefined) throw new InvalidMembership(group);
  switch (given.membership.case) {
    case 'all':
      if (!given.membership.value) throw new InvalidMembership(group);
      return given;
    case 'nodes':
      if (given.membership.value.nodes.length === 0) throw new InvalidMembership(group);
      return given;
    case 'selector':
      parseSelector(given.membership.value);
      return given;
    case undefined:
      throw new InvalidMembership(group);
  }
}

function stored(membership: Membership | undefined): Membership {
  if (membership === undefined) throw new Error('a stored group has no membership');
  return membership;
}
