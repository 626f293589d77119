import { defaultKeptVersions } from './versions.js';

/** How it is found out whether what just went live works. */
export type Probe =
  /** An HTTP status of 200 to 399 is healthy. */
  | { readonly url: string; readonly timeoutMs: number }
  /** Exit status 0 is healthy; the program is run as it is, without a shell. */
  | { readonly command: readonly string[]; readonly timeoutMs: number };

/** A program that this host's administrator allows to be run by its name. */
export interface Hook {
  /** The program's absolute path and its arguments; never text for a shell. */
  readonly command: readonly string[];
  readonly timeoutMs: number;
}

/** What this host's administrator wants for one site. */
export interface SitePolicy {
  /**
   * Files that the application itself writes: `*` within a name, `**` over names. Each version has
   * its own copy; what the application wrote stays in the version that it wrote to.
   */
  readonly writable: readonly string[];
  /** `read-only` takes the right to write from everybody, in all files but the writable ones. */
  readonly versions: 'as-signed' | 'read-only';
  /**
   * `portable` refuses names that other file systems take for one another or reserve; sites refuse
   * the same when they are published with `--name-clashes portable`.
   */
  readonly names: 'any' | 'portable';
  /** `inside` refuses symlinks whose target is absolute or leaves the tree. */
  readonly links: 'any' | 'inside';
  /** Versions that stay on disk besides the live one and the backup. */
  readonly keptVersions: number;
  /** An absolute path that must be a real directory with the live tree; exchanged at a switch. */
  readonly liveDirectory?: string;
  /** Names of hooks, run in order; the first that fails stops the switch. */
  readonly beforeSwitch: readonly string[];
  /** The first that fails switches back. */
  readonly afterSwitch: readonly string[];
  readonly probe?: Probe;
  /** When the live tree is not what was signed: say so, or get it anew too, or do not look. */
  readonly drift: 'report' | 'repair' | 'ignore';
  readonly hooks: Readonly<Record<string, Hook>>;
}

export const defaultSitePolicy: SitePolicy = {
  writable: [],
  versions: 'as-signed',
  names: 'any',
  links: 'any',
  keptVersions: defaultKeptVersions,
  beforeSwitch: [],
  afterSwitch: [],
  drift: 'report',
  hooks: {},
};

/** Whether a path matches one of the patterns, from the root of the tree. */
export function pathMatcher(patterns: readonly string[]): (path: string) => boolean {
  if (patterns.length === 0) return () => false;
  const sources = patterns.map((pattern) =>
    pattern
      .split(/(\*\*\/?|\*|\?)/)
      .map((piece) => wildcards[piece] ?? piece.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
      .join(''),
  );
  const expression = new RegExp(`^(?:${sources.join('|')})$`);
  return (path) => expression.test(path);
}

const wildcards: Record<string, string | undefined> = {
  '**/': '(?:.*/)?',
  '**': '.*',
  '*': '[^/]*',
  '?': '[^/]',
};
