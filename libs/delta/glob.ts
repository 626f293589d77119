const posixClasses: Record<string, string> = {
  alnum: 'a-zA-Z0-9',
  alpha: 'a-zA-Z',
  blank: ' \\t',
  cntrl: '\\x00-\\x1f\\x7f',
  digit: '0-9',
  graph: '\\x21-\\x7e',
  lower: 'a-z',
  print: '\\x20-\\x7e',
  punct: '\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e',
  space: '\\s',
  upper: 'A-Z',
  xdigit: '0-9a-fA-F',
};

const matchesNothing = '(?!)';

/** Whether a pattern has wildcards; without any, a backslash is a backslash. */
export function isGlob(pattern: string): boolean {
  return /[*?[]/.test(pattern);
}

/**
 * The source of a regular expression (flags `su`) for an rsync pattern: `*` and `?` stop at
 * slashes, `**` does not, `[...]` is a class, `\` escapes. An unfinished class matches nothing, as
 * in rsync.
 */
export function globSource(pattern: string): string {
  if (!isGlob(pattern)) return literal(pattern);
  let source = '';
  for (let rest = pattern; rest !== ''; ) {
    const token = nextToken(rest);
    if (!token) return matchesNothing;
    source += token.source;
    rest = rest.slice(token.length);
  }
  return source;
}

interface Token {
  readonly source: string;
  readonly length: number;
}

function nextToken(rest: string): Token | undefined {
  const stars = /^\*+/.exec(rest)?.[0].length ?? 0;
  if (stars > 0) return { source: stars === 1 ? '[^/]*' : '.*', length: stars };
  if (rest.startsWith('?')) return { source: '[^/]', length: 1 };
  if (rest.startsWith('[')) return classToken(rest);
  if (rest.startsWith('\\')) {
    const escaped = firstCharacter(rest.slice(1));
    return escaped ? { source: literal(escaped), length: 1 + escaped.length } : undefined;
  }
  const character = firstCharacter(rest);
  return character ? { source: literal(character), length: character.length } : undefined;
}

/** A class such as `[a-c]`, `[!x]`, `[]]`, `[[:digit:]_]`; it never matches a slash. */
function classToken(rest: string): Token | undefined {
  const opening = /^\[[!^]?/.exec(rest)?.[0] ?? '[';
  let members = '';
  let position = opening.length;
  while (position === opening.length || rest[position] !== ']') {
    const member = classMember(rest.slice(position));
    if (!member) return undefined;
    members += member.source;
    position += member.length;
  }
  const negation = opening.length > 1 ? '^' : '';
  return { source: `(?!/)[${negation}${members}]`, length: position + 1 };
}

function classMember(rest: string): Token | undefined {
  const named = /^\[:(\w+):\]/.exec(rest);
  if (named) {
    const source = posixClasses[named[1] ?? ''];
    return source === undefined ? undefined : { source, length: named[0].length };
  }
  const range = /^(\\?.)-(\\?[^\]])/su.exec(rest);
  if (range) return rangeMember(unescaped(range[1]), unescaped(range[2]), range[0].length);
  const single = /^\\?./su.exec(rest)?.[0];
  return single ? { source: classLiteral(unescaped(single)), length: single.length } : undefined;
}

function rangeMember(from: string, to: string, length: number): Token {
  const isEmpty = (from.codePointAt(0) ?? 0) > (to.codePointAt(0) ?? 0);
  return { source: isEmpty ? '' : `${classLiteral(from)}-${classLiteral(to)}`, length };
}

function unescaped(text = ''): string {
  return text.length > 1 && text.startsWith('\\') ? text.slice(1) : text;
}

function firstCharacter(text: string): string | undefined {
  return /^./su.exec(text)?.[0];
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

function classLiteral(character: string): string {
  return character.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
