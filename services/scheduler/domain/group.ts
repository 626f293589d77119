import { create as createMessage, equals } from '@bufbuild/protobuf';
import {
  type CreateGroup,
  type DeleteGroup,
  type DomainEvent,
  type EditGroup,
  event,
  type MaintenanceWindows,
  MaintenanceWindowsSchema,
  type Membership,
  MembershipSchema,
} from '#libs/contracts/index.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';
import { GroupExists, InvalidMembership, UnknownGroup } from './errors.js';
import { requireName } from './names.js';
import { parseSelector } from './selector.js';
import { requireWindow } from './windows.js';

export type GroupEvent = DomainEvent<'GroupCreated' | 'GroupEdited' | 'GroupDeleted'>;

export type GroupCommand =
  | { readonly type: 'CreateGroup'; readonly data: CreateGroup }
  | { readonly type: 'EditGroup'; readonly data: EditGroup }
  | { readonly type: 'DeleteGroup'; readonly data: DeleteGroup };

export type Group =
  | { readonly situation: 'absent' }
  | {
      readonly situation: 'present';
      readonly site: string;
      readonly membership: Membership;
      readonly maintenance: MaintenanceWindows | undefined;
    }
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
      const { site, membership, maintenance } = happened.data;
      return { situation: 'present', site, membership: stored(membership), maintenance };
    }
    case 'GroupEdited': {
      if (state.situation !== 'present') return state;
      const { membership, maintenance = state.maintenance } = happened.data;
      return { ...state, membership: stored(membership), maintenance };
    }
    case 'GroupDeleted':
      return { situation: 'deleted' };
  }
}

/** @throws InvalidName, InvalidMembership, InvalidSelector, InvalidSchedule, GroupExists,
 * UnknownGroup */
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

function create(command: CreateGroup, state: Group): GroupEvent[] {
  const { group, site, membership, maintenance } = command;
  requireName('group', group);
  const wanted = requireMembership(group, membership);
  requireWindows(maintenance);
  if (state.situation !== 'present') {
    return [event('GroupCreated', { group, site, membership: wanted, maintenance })];
  }
  const isSame = equals(MembershipSchema, state.membership, wanted);
  if (state.site === site && isSame && sameWindows(state.maintenance, maintenance)) return [];
  throw new GroupExists(group, state.site);
}

function edit(command: EditGroup, state: Group): GroupEvent[] {
  const { group, membership, maintenance } = command;
  if (state.situation !== 'present') throw new UnknownGroup(group);
  const wanted = requireMembership(group, membership ?? state.membership);
  requireWindows(maintenance);
  const windowsAreSame = !maintenance || sameWindows(state.maintenance, maintenance);
  if (equals(MembershipSchema, state.membership, wanted) && windowsAreSame) return [];
  return [event('GroupEdited', { group, membership: wanted, maintenance })];
}

function requireWindows(maintenance: MaintenanceWindows | undefined): void {
  for (const window of maintenance?.windows ?? []) requireWindow(window);
}

function sameWindows(a: MaintenanceWindows | undefined, b: MaintenanceWindows | undefined) {
  const none = createMessage(MaintenanceWindowsSchema);
  return equals(MaintenanceWindowsSchema, a ?? none, b ?? none);
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
