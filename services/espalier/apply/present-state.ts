import { type JsonObject, toJson } from '@bufbuild/protobuf';
import {
  GroupListSchema,
  type GroupView,
  JobSpecSchema,
  JobViewSchema,
  MaintenanceWindowsSchema,
  SiteListSchema,
  SitePolicySchema,
} from '#libs/contracts/index.js';
import { type ApiClient, Refused } from '../client/api-client.js';
import { configurationOf, type WantedObject } from './object-file.js';

/**
 * What there is already of an object, in the form of a file; undefined: nothing. What stays as it
 * is where a file does not name it is only told where the file names it.
 */
export async function presentState(
  client: ApiClient,
  { kind, name, settings: wanted }: Pick<WantedObject, 'kind' | 'name' | 'settings'>,
): Promise<{ readonly settings: JsonObject } | undefined> {
  switch (kind) {
    case 'Site': {
      const { sites } = await client.get('/api/v1/sites', SiteListSchema);
      const site = sites.find((one) => one.name === name);
      if (!site) return undefined;
      const filters = site.filters.map((rule) => ({
        ...(rule.startsWith('+') ? { include: true } : {}),
        pattern: rule.slice(2),
      }));
      const { staging, policy } = site;
      const settings: JsonObject = { staging };
      if (filters.length > 0) settings.filters = filters;
      const { configuration = [] } = policy ?? {};
      if ('configuration' in wanted) settings.configuration = configurationOf(configuration);
      if (policy && 'policy' in wanted) {
        settings.policy = toJson(SitePolicySchema, { ...policy, configuration: [] });
      }
      return { settings };
    }
    case 'Group': {
      const { groups } = await client.get('/api/v1/groups', GroupListSchema);
      const group = groups.find((one) => one.name === name);
      return group && { settings: settingsOf(group) };
    }
    case 'Job':
      return presentJob(client, name);
  }
}

async function presentJob(client: ApiClient, name: string) {
  try {
    const path = `/api/v1/jobs/${encodeURIComponent(name)}`;
    const { spec } = await client.get(path, JobViewSchema);
    return spec && { settings: toJson(JobSpecSchema, spec) as JsonObject };
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return undefined;
    throw error;
  }
}

function settingsOf({ site, kind, nodes, selector, maintenance }: GroupView): JsonObject {
  const membership: JsonObject =
    kind === 'all' ? { all: true } : kind === 'nodes' ? { nodes: { nodes } } : { selector };
  const windows = maintenance && toJson(MaintenanceWindowsSchema, maintenance);
  return { site, membership, ...(windows ? { maintenance: windows } : {}) };
}
