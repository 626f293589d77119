import {
  create,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  toJson,
} from '@bufbuild/protobuf';
import { parseAllDocuments } from 'yaml';
import {
  type ConfigurationValue,
  type ConfigureSite,
  ConfigureSiteSchema,
  CreateGroupSchema,
  CreateSiteSchema,
  DomainError,
  JobSpecSchema,
} from '#libs/contracts/index.js';
import { duration, time } from '../values.js';

/** A file that says nothing that could be made. */
export class InvalidObjectFile extends DomainError {
  override readonly name = 'InvalidObjectFile';
  constructor(path: string, reason: string) {
    super(`${path}: ${reason}`, 'kind: Site, Group or Job; name; spec: as espalier describe shows');
  }
}

/** A site, group or job as a file wants it. */
export interface WantedObject {
  readonly kind: 'Site' | 'Group' | 'Job';
  readonly name: string;
  /** What is compared with what there is. */
  readonly settings: JsonObject;
  /** What is sent. */
  readonly body: JsonObject;
  /** A site's values in configuration files, where the file names them: all there shall be. */
  readonly configuration?: ConfigureSite;
  route(exists: boolean): { readonly method: string; readonly path: string };
}

/** The objects of a YAML text. @throws InvalidObjectFile */
export function objectsIn(text: string, path: string): WantedObject[] {
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors[0]) throw new InvalidObjectFile(path, document.errors[0].message);
    const value = document.toJS() as unknown;
    return value === null || value === undefined ? [] : [objectOf(value, path)];
  });
}

function objectOf(value: unknown, path: string): WantedObject {
  const { kind, name, spec, ...rest } = value as Record<string, unknown>;
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) throw new InvalidObjectFile(path, `${unknown} is unknown`);
  if (typeof name !== 'string') throw new InvalidObjectFile(path, 'an object has no name');
  const given = friendly((spec ?? {}) as JsonValue, '') as JsonObject;
  const checked = (schema: DescMessage, json: JsonObject) => {
    try {
      return toJson(schema, fromJson(schema, json)) as JsonObject;
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new InvalidObjectFile(path, `${String(kind)} ${name}: ${reason}`);
    }
  };
  switch (kind) {
    case 'Site': {
      const { configuration, ...others } = given;
      const body = checked(CreateSiteSchema, { ...others, site: name });
      const { site: _, ...settings } = body;
      const route = (exists: boolean) => routeOf('sites', name, exists);
      if (configuration === undefined) return { kind, name, settings, body, route };
      const set = valuesOf(configuration, `${path}: Site ${name}`);
      const values = configurationOf(set);
      return {
        ...{ kind, name, body, route },
        settings: { ...settings, configuration: values },
        configuration: create(ConfigureSiteSchema, { site: name, set, only: true }),
      };
    }
    case 'Group': {
      const body = checked(CreateGroupSchema, { ...given, group: name });
      const { group: _, ...settings } = body;
      return {
        kind,
        name,
        settings,
        body: body,
        route: (exists) => routeOf('groups', name, exists),
      };
    }
    case 'Job': {
      const settings = checked(JobSpecSchema, given);
      const body = { job: name, spec: settings };
      return { kind, name, settings, body, route: (exists) => routeOf('jobs', name, exists) };
    }
    default:
      throw new InvalidObjectFile(path, `${JSON.stringify(kind)} is no Site, Group or Job`);
  }
}

/** Values by file and key, in the form of a file. */
export function configurationOf(
  values: readonly Pick<ConfigurationValue, 'path' | 'key' | 'value'>[],
): JsonObject {
  const byPath: Record<string, JsonObject> = {};
  for (const { path, key, value } of values) byPath[path] = { ...byPath[path], [key]: value };
  return byPath;
}

/** @throws InvalidObjectFile */
function valuesOf(configuration: JsonValue, where: string) {
  return Object.entries(objectIn(configuration, where)).flatMap(([path, values]) =>
    Object.entries(objectIn(values, where)).map(([key, value]) => ({
      ...{ path, key },
      value: typeof value === 'string' ? value : JSON.stringify(value),
    })),
  );
}

function objectIn(value: JsonValue | undefined, where: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new InvalidObjectFile(where, 'configuration is FILE: {KEY: VALUE}');
}

function routeOf(list: string, name: string, exists: boolean) {
  return exists
    ? { method: 'PATCH', path: `/api/v1/${list}/${encodeURIComponent(name)}` }
    : { method: 'POST', path: `/api/v1/${list}` };
}

/** Values of enums by the key that they stand under, as people write them. */
const prefixes: Readonly<Record<string, string>> = {
  type: 'JOB_TYPE_',
  conflict: 'CONFLICT_POLICY_',
  windows: 'WINDOW_POLICY_',
  goLive: 'GO_LIVE_',
};

/** `publish` for `JOB_TYPE_PUBLISH`, `10m` and times for milliseconds. */
function friendly(value: JsonValue, key: string): JsonValue {
  if (Array.isArray(value)) return value.map((item) => friendly(item, key));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => {
        // An event's type is a name, not one of our kinds; values of configuration are text.
        const isName = (name === 'type' && key === 'event') || name === 'configuration';
        return [name, isName ? item : friendly(item as JsonValue, name)];
      }),
    );
  }
  if (typeof value !== 'string') return value;
  const prefix = prefixes[key];
  if (prefix && !value.startsWith(prefix)) {
    return `${prefix}${value.toUpperCase().replaceAll('-', '_')}`;
  }
  if (key.endsWith('Ms') && !/^\d+$/.test(value)) {
    return String(/^\d{4}-/.test(value) ? time(value) : duration(value));
  }
  return value;
}
