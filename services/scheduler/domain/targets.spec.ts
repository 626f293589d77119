import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { type Membership, MembershipSchema } from '#libs/contracts/index.js';
import { membersOf, type Server, targetsOf } from './targets.js';

function server(name: string, segment: string, registered = true, tier = 'prod'): Server {
  const labels = new Map(Object.entries({ name, segment, tier }));
  return { name, segment, registered, labels, served: '', kept: [] };
}

const fleet = [
  server('rome-1', 'rome'),
  server('paris-2', 'paris', true, 'test'),
  server('paris-1', 'paris'),
  server('oslo-1', 'oslo', false),
];
const all = create(MembershipSchema, { membership: { case: 'all', value: true } });

function named(...nodes: string[]): Membership {
  return create(MembershipSchema, { membership: { case: 'nodes', value: { nodes } } });
}
function selected(value: string): Membership {
  return create(MembershipSchema, { membership: { case: 'selector', value } });
}

function targets(...memberships: Membership[]) {
  const { bySegment, registeredCount } = targetsOf(membersOf(memberships, fleet));
  return {
    bySegment: Object.fromEntries(bySegment.map(({ segment, nodes }) => [segment, nodes])),
    registeredCount,
  };
}

describe('the targets of a run', () => {
  test('"all" is every registered server, by segment and in the order of names', () => {
    expect(targets(all)).toEqual({
      bySegment: { paris: ['paris-1', 'paris-2'], rome: ['rome-1'] },
      registeredCount: 3,
    });
  });

  test('a selector chooses among the registered servers', () => {
    expect(targets(selected('tier=prod,segment in (paris,oslo)'))).toEqual({
      bySegment: { paris: ['paris-1'] },
      registeredCount: 1,
    });
  });

  test('a named server that only enrolled is a target, but not a registered one', () => {
    expect(targets(named('oslo-1', 'nobody'))).toEqual({
      bySegment: { oslo: ['oslo-1'] },
      registeredCount: 0,
    });
  });

  test('a server that two groups select is one target', () => {
    expect(targets(named('rome-1'), selected('name=rome-1'))).toEqual({
      bySegment: { rome: ['rome-1'] },
      registeredCount: 1,
    });
  });

  test('no groups, no targets', () => {
    expect(targets()).toEqual({ bySegment: {}, registeredCount: 0 });
  });
});
