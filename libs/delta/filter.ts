import { globSource } from './glob.js';

/** One line of a site's filters; `pattern` is one of rsync's. */
export interface FilterRule {
  readonly include: boolean;
  readonly pattern: string;
}

/**
 * Whether a path (relative, without leading slash) belongs to the tree. It is asked only for what
 * is in directories that belong: an excluded directory is not looked into.
 */
export type Filter = (path: string, isDirectory: boolean) => boolean;

/**
 * Include and exclude rules as in rsync: the first rule that matches decides, and what no rule
 * matches is included.
 *
 * - A leading `/` ties a pattern to the root of the tree; a trailing one restricts it to
 *   directories.
 * - A pattern without inner `/` and without `**` is matched with the last component, at any depth;
 *   another one with the end of the path.
 * - `dir/***` is `dir` and everything in it.
 *
 * One difference: `?` and `[...]` match a character, where rsync matches a byte.
 */
export function compileFilter(rules: readonly FilterRule[]): Filter {
  const verdict = compileRules(rules);
  return (path, isDirectory) => verdict(path, isDirectory) ?? true;
}

/** As a filter; undefined where no rule matches. */
export type Verdict = (path: string, isDirectory: boolean) => boolean | undefined;

export function compileRules(rules: readonly FilterRule[]): Verdict {
  const compiled = rules.map((rule) => ({ ...rule, matches: compilePattern(rule.pattern) }));
  return (path, isDirectory) => compiled.find((rule) => rule.matches(path, isDirectory))?.include;
}

function compilePattern(whole: string): Filter {
  const onlyDirectories = whole.length > 1 && whole.endsWith('/');
  const pattern = onlyDirectories ? whole.slice(0, -1) : whole;
  const matches = pathMatcher(pattern);
  const withSlash = pattern.endsWith('***');
  return (path, isDirectory) => {
    if (onlyDirectories && !isDirectory) return false;
    return matches(withSlash && isDirectory ? `${path}/` : path);
  };
}

function pathMatcher(pattern: string): (path: string) => boolean {
  const isAnchored = pattern.startsWith('/');
  const source = globSource(isAnchored ? pattern.slice(1) : pattern);
  const whole = tester(`^(?:${source})$`);
  if (isAnchored) return whole;
  if (pattern.startsWith('**')) return (path) => whole(`/${path}`);
  if (pattern.includes('**')) return tester(`(?:^|/)(?:${source})$`);
  const components = pattern.split('/').length;
  return (path) => {
    const names = path.split('/');
    return names.length >= components && whole(names.slice(-components).join('/'));
  };
}

function tester(source: string): (text: string) => boolean {
  const expression = new RegExp(source, 'su');
  return (text) => expression.test(text);
}
