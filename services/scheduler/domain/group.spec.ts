import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import {
  CreateGroupSchema,
  DeleteGroupSchema,
  EditGroupSchema,
  event,
  type Membership,
  MembershipSchema,
} from '#libs/contracts/index.js';
import {
  GroupExists,
  InvalidMembership,
  InvalidName,
  InvalidSelector,
  UnknownGroup,
} from './errors.js';
import { type GroupCommand, type GroupEvent, groupAggregate } from './group.js';

function selector(value: string): Membership {
  return create(MembershipSchema, { membership: { case: 'selector', value } });
}
const all = create(MembershipSchema, { membership: { case: 'all', value: true } });

function creating(membership?: Membership, site = 'www', group = 'web'): GroupCommand {
  return { type: 'CreateGroup', data: create(CreateGroupSchema, { group, site, membership }) };
}
function editing(membership: Membership): GroupCommand {
  return { type: 'EditGroup', data: create(EditGroupSchema, { group: 'web', membership }) };
}
const deleting: GroupCommand = {
  type: 'DeleteGroup',
  data: create(DeleteGroupSchema, { group: 'web' }),
};

const created = event('GroupCreated', { group: 'web', site: 'www', membership: all });
const deleted = event('GroupDeleted', { group: 'web' });

function outcomeOf(events: GroupEvent[], command: GroupCommand) {
  const state = events.reduce(groupAggregate.evolve, groupAggregate.initial);
  return groupAggregate.decide(command, state);
}

describe('a group', () => {
  test('is created once by a repeated command', () => {
    expect(outcomeOf([], creating(all))).toEqual([created]);
    expect(outcomeOf([created], creating(all))).toEqual([]);
  });

  test('does not take other members or another site by being created again', () => {
    expect(() => outcomeOf([created], creating(selector('tier=prod')))).toThrow(GroupExists);
    expect(() => outcomeOf([created], creating(all, 'shop'))).toThrow(GroupExists);
  });

  test('is edited once by a repeated command', () => {
    const edited = event('GroupEdited', { group: 'web', membership: selector('tier=prod') });
    expect(outcomeOf([created], editing(selector('tier=prod')))).toEqual([edited]);
    expect(outcomeOf([created, edited], editing(selector('tier=prod')))).toEqual([]);
  });

  test('is deleted once by a repeated command, and may be created anew', () => {
    expect(outcomeOf([created], deleting)).toEqual([deleted]);
    expect(outcomeOf([created, deleted], deleting)).toEqual([]);
    expect(outcomeOf([created, deleted], creating(all))).toEqual([created]);
  });

  test('that does not exist is neither edited nor deleted', () => {
    expect(() => outcomeOf([], editing(all))).toThrow(UnknownGroup);
    expect(() => outcomeOf([], deleting)).toThrow(UnknownGroup);
    expect(() => outcomeOf([created, deleted], editing(all))).toThrow(UnknownGroup);
  });

  test('has a name and members that make sense', () => {
    expect(() => outcomeOf([], creating(all, 'www', 'Web'))).toThrow(InvalidName);
    expect(() => outcomeOf([], creating(undefined))).toThrow(InvalidMembership);
    expect(() => outcomeOf([], creating(create(MembershipSchema)))).toThrow(InvalidMembership);
    const nobody = create(MembershipSchema, { membership: { case: 'nodes', value: {} } });
    expect(() => outcomeOf([], creating(nobody))).toThrow(InvalidMembership);
    expect(() => outcomeOf([], creating(selector('tier=')))).not.toThrow();
    expect(() => outcomeOf([], creating(selector('=prod')))).toThrow(InvalidSelector);
    expect(() => outcomeOf([created], editing(selector('a b')))).toThrow(InvalidSelector);
  });
});
