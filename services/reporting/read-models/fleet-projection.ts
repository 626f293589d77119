import { type JsonObject, toJson } from '@bufbuild/protobuf';
import {
  type MaintenanceWindows,
  MaintenanceWindowsSchema,
  type Membership,
  type RecordedEvent,
  type Register,
  type SiteCreated,
  type SiteEdited,
  SitePolicySchema,
} from '#libs/contracts/index.js';
import type { Change, Handlers, Row } from './change.js';

/** Changes to the read models of sites, groups, nodes and segments. */
export const fleetHandlers: Handlers = {
  SiteCreated: ({ data, timeMs }) => {
    const created_at = new Date(timeMs).toISOString();
    return [upsert('site', { name: data.site }, { ...siteColumns(data), created_at })];
  },
  SiteEdited: ({ data }) => [upsert('site', { name: data.site }, siteColumns(data))],
  ShadowMoved: ({ data: { site, sequence, treeDigest } }) => {
    const live_tree_digest = Buffer.from(treeDigest).toString('hex');
    return [upsert('site', { name: site }, { live_sequence: Number(sequence), live_tree_digest })];
  },
  GroupCreated: ({ data: { group, site, membership, maintenance } }) => [
    upsert(
      'content_group',
      { name: group },
      {
        ...{ site, ...membershipColumns(membership) },
        ...windowColumns(maintenance),
      },
    ),
  ],
  GroupEdited: ({ data: { group, membership, maintenance } }) => [
    upsert(
      'content_group',
      { name: group },
      {
        ...membershipColumns(membership),
        ...windowColumns(maintenance),
      },
    ),
  ],
  GroupDeleted: ({ data }) => [
    { kind: 'delete', table: 'content_group', key: { name: data.group } },
  ],
  NodeEnrolled: ({ data: { node, segment, labels } }) => [
    upsert('node', { name: node }, { segment, labels: { ...labels } }),
  ],
  // Registrations are of another aggregate and may be read later: the row stays, without a segment.
  NodeRemoved: ({ data: { node } }) => [
    upsert('node', { name: node }, { segment: '', labels: {} }),
  ],
  SegmentChanged: segmentChanged,
  SegmentRenamed: ({ data: { segment, name } }) => [
    upsert('segment', { name: segment }, { display_name: name }),
  ],
  SegmentLocated: ({ data: { segment, location, region } }) => [
    upsert('segment', { name: segment }, { location, region }),
  ],
};

/** A policy that is absent stays as it was. */
function siteColumns({ staging, filters, policy }: SiteCreated | SiteEdited): Row {
  const rules = filters.map(({ include, pattern }) => `${include ? '+' : '-'} ${pattern}`);
  const kept = policy && { policy: toJson(SitePolicySchema, policy) as JsonObject };
  return { staging, filters: rules, ...kept };
}

function segmentChanged({ data, timeMs }: RecordedEvent<'SegmentChanged'>): Change[] {
  const { segment, leader, term, members, reason } = data;
  const columns = {
    leader,
    term: Number(term),
    members: members.length,
    changed_at: new Date(timeMs).toISOString(),
    reason,
  };
  return [
    upsert('segment', { name: segment }, columns),
    ...members.map((member) => upsert('node', { name: member.node }, memberColumns(member))),
    {
      kind: 'update-others',
      table: 'node',
      scope: { segment },
      except: { column: 'name', values: members.map(({ node }) => node) },
      set: { online: false },
    },
  ];
}

function memberColumns(member: Register): Row {
  return {
    online: true,
    registered: true,
    address: member.port ? `${member.address}:${member.port}` : member.address,
    agent_type: member.agentType,
    live: Object.fromEntries(
      member.liveVersions.map(({ site, sequence }) => [site, sequence.toString()]),
    ),
  };
}

/** Absent: as they were. */
function windowColumns(maintenance: MaintenanceWindows | undefined): Row {
  if (!maintenance) return {};
  return { maintenance: toJson(MaintenanceWindowsSchema, maintenance) as JsonObject };
}

function membershipColumns(membership: Membership | undefined): Row {
  const chosen = membership?.membership;
  switch (chosen?.case) {
    case 'nodes':
      return { kind: 'nodes', nodes: chosen.value.nodes, selector: '' };
    case 'selector':
      return { kind: 'selector', nodes: [], selector: chosen.value };
    default:
      return { kind: 'all', nodes: [], selector: '' };
  }
}

function upsert(table: Change['table'], key: Row, set: Row): Change {
  return { kind: 'upsert', table, key, set };
}
