import { isAbsolute } from 'node:path';
import { shellType } from '#libs/assignment/command-sets.js';
import { DomainError } from '#libs/contracts/host.js';
import type { ShellHostOptions } from './ports.js';
import type { Hook, Probe, SitePolicy } from './site-policy.js';

/** What this host's administrator allows and wants, by site. `*` holds for every site. */
export interface HostPolicy {
  readonly scrub: ScrubSchedule;
  /** The host that the agent acts for; undefined: its own. */
  readonly host?: ShellHostOptions | undefined;
  policyOf(site: string): Partial<SitePolicy>;
}

/** How often live trees are compared with what was signed, and looked at whether they work. */
export interface ScrubSchedule {
  /** Names, types, sizes, modes and times. */
  readonly attributesEveryMs: number;
  /** Within this every byte of every live tree is read once, at an even rate. */
  readonly contentEveryMs: number;
  /** Between two repetitions of the probes. */
  readonly healthEveryMs: number;
}

export const defaultScrub: ScrubSchedule = {
  attributesEveryMs: 3_600_000,
  contentEveryMs: 86_400_000,
  healthEveryMs: 5_000,
};

/** Thrown for a host policy that is not as it should be. */
export class BadHostPolicy extends DomainError {
  override readonly name = 'BadHostPolicy';
  constructor(what: string, options?: ErrorOptions) {
    const remedy = 'see libs/interpreter/README.md for what host.json may contain';
    super(`the host policy is wrong: ${what}`, remedy, options);
  }
}

const defaultTimeoutMs = 10_000;
const longestTimeoutMs = 3_600_000;
const siteFields = new Set([
  'writable',
  'versions',
  'names',
  'links',
  'keptVersions',
  'liveDirectory',
  'beforeSwitch',
  'afterSwitch',
  'probe',
  'drift',
]);
const scrubFields = ['attributesEveryMs', 'contentEveryMs', 'healthEveryMs'] as const;
const longestScrubMs = 31 * 86_400_000;

/** Allows no hook and changes nothing. */
export const noHostPolicy: HostPolicy = { scrub: defaultScrub, policyOf: () => ({}) };

/**
 * Reads the text of `host.json`: `{"hooks": {NAME: {"command": [PROGRAM, ...], "timeoutMs"}},
 * "sites": {NAME or "*": {...}}, "scrub": {"attributesEveryMs", "contentEveryMs", "healthEveryMs"},
 * "host": {"type": "shell/1", "command": [PROGRAM, ...], "directory"}}`.
 * @throws BadHostPolicy
 */
export function parseHostPolicy(text: string): HostPolicy {
  const root = objectOf(parse(text), 'the file');
  onlyFields(root, new Set(['hooks', 'sites', 'scrub', 'host']), 'the file');
  const hooks = Object.fromEntries(
    Object.entries(objectOf(root.hooks ?? {}, 'hooks')).map(([name, value]) => [
      name,
      hookOf(value, `the hook ${name}`),
    ]),
  );
  const sites = new Map(
    Object.entries(objectOf(root.sites ?? {}, 'sites')).map(([site, value]) => [
      site,
      siteOf(value, hooks, `the site ${site}`),
    ]),
  );
  const general = sites.get('*');
  const scrub = scrubOf(root.scrub ?? {});
  if (root.host === undefined) {
    return { scrub, policyOf: (site) => ({ hooks, ...general, ...sites.get(site) }) };
  }
  const host = otherHostOf(root.host);
  for (const [site, policy] of sites) refuseOwnFiles(site, policy);
  // Only the other host knows what is live there.
  const drift = 'ignore' as const;
  return { scrub, host, policyOf: (site) => ({ hooks, ...general, ...sites.get(site), drift }) };
}

type Fields = Readonly<Record<string, unknown>>;

function siteOf(value: unknown, hooks: object, where: string): Partial<SitePolicy> {
  const fields = objectOf(value, where);
  onlyFields(fields, siteFields, where);
  const policy: { -readonly [K in keyof SitePolicy]?: SitePolicy[K] } = {};
  const { writable, versions, names, links, keptVersions, liveDirectory, probe, drift } = fields;
  if (writable !== undefined) policy.writable = textsOf(writable, `${where}: writable`);
  for (const when of ['beforeSwitch', 'afterSwitch'] as const) {
    if (fields[when] === undefined) continue;
    const hookNames = textsOf(fields[when], `${where}: ${when}`);
    const unknown = hookNames.find((name) => !Object.hasOwn(hooks, name));
    if (unknown !== undefined) throw new BadHostPolicy(`${where} names no hook with ${unknown}`);
    policy[when] = hookNames;
  }
  if (versions !== undefined) {
    policy.versions = oneOf(['as-signed', 'read-only'], versions, `${where}: versions`);
  }
  if (drift !== undefined) {
    policy.drift = oneOf(['report', 'repair', 'ignore'], drift, `${where}: drift`);
  }
  if (names !== undefined) policy.names = oneOf(['any', 'portable'], names, `${where}: names`);
  if (links !== undefined) policy.links = oneOf(['any', 'inside'], links, `${where}: links`);
  if (keptVersions !== undefined) {
    policy.keptVersions = numberOf(keptVersions, 1000, `${where}: keptVersions`);
  }
  if (liveDirectory !== undefined) {
    policy.liveDirectory = absoluteOf(liveDirectory, `${where}: liveDirectory`);
  }
  if (probe !== undefined) policy.probe = probeOf(probe, `${where}: probe`);
  return policy;
}

function otherHostOf(value: unknown): ShellHostOptions {
  const fields = objectOf(value, 'host');
  onlyFields(fields, new Set(['type', 'command', 'directory']), 'host');
  if (fields.type !== shellType) throw new BadHostPolicy(`host: the type is not ${shellType}`);
  const command = textsOf(fields.command, 'host: command');
  return { command, directory: absoluteOf(fields.directory, 'host: directory') };
}

/** What needs the files of a version where the agent is. */
function refuseOwnFiles(site: string, { liveDirectory, writable, versions }: Partial<SitePolicy>) {
  const isOwn = liveDirectory !== undefined || writable !== undefined || versions !== undefined;
  if (!isOwn) return;
  const fields = 'liveDirectory, writable and versions';
  throw new BadHostPolicy(`the site ${site}: ${fields} are for the agent's own host`);
}

function scrubOf(value: unknown): ScrubSchedule {
  const fields = objectOf(value, 'scrub');
  onlyFields(fields, new Set(scrubFields), 'scrub');
  const given = scrubFields
    .filter((name) => fields[name] !== undefined)
    .map((name) => [name, numberOf(fields[name], longestScrubMs, `scrub: ${name}`)]);
  return { ...defaultScrub, ...Object.fromEntries(given) };
}

function hookOf(value: unknown, where: string): Hook {
  const fields = objectOf(value, where);
  onlyFields(fields, new Set(['command', 'timeoutMs']), where);
  const command = textsOf(fields.command, `${where}: command`);
  absoluteOf(command[0], `${where}: its program`);
  return { command, timeoutMs: timeoutOf(fields, where) };
}

function probeOf(value: unknown, where: string): Probe {
  const fields = objectOf(value, where);
  onlyFields(fields, new Set(['url', 'command', 'timeoutMs']), where);
  const { url } = fields;
  if (url === undefined) return hookOf(value, where);
  if (typeof url !== 'string' || !/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new BadHostPolicy(`${where}: url is no address of a web server`);
  }
  return { url, timeoutMs: timeoutOf(fields, where) };
}

function timeoutOf({ timeoutMs }: Fields, where: string): number {
  if (timeoutMs === undefined) return defaultTimeoutMs;
  return numberOf(timeoutMs, longestTimeoutMs, `${where}: timeoutMs`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BadHostPolicy((cause as Error).message, { cause });
  }
}

function objectOf(value: unknown, where: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new BadHostPolicy(`${where} is no object`);
}

function onlyFields(fields: Fields, known: ReadonlySet<string>, where: string): void {
  const unknown = Object.keys(fields).find((name) => !known.has(name));
  if (unknown !== undefined) throw new BadHostPolicy(`${where} has an unknown field ${unknown}`);
}

function textsOf(value: unknown, where: string): string[] {
  if (!Array.isArray(value) || value.length === 0 || !value.every(isText)) {
    throw new BadHostPolicy(`${where} is no list of texts`);
  }
  return value;
}

function oneOf<const T extends string>(known: readonly T[], value: unknown, where: string): T {
  const found = known.find((each) => each === value);
  if (found === undefined) throw new BadHostPolicy(`${where} is ${known.join(' or ')}`);
  return found;
}

const isText = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && !value.includes('\0');

function numberOf(value: unknown, largest: number, where: string): number {
  if (Number.isInteger(value) && Number(value) >= 0 && Number(value) <= largest) {
    return Number(value);
  }
  throw new BadHostPolicy(`${where} is no whole number up to ${largest}`);
}

function absoluteOf(value: unknown, where: string): string {
  if (isText(value) && isAbsolute(value)) return value.replace(/\/+$/, '');
  throw new BadHostPolicy(`${where} is no absolute path`);
}
