import { readFileSync } from 'node:fs';

/**
 * The `npx espalier` commands in code blocks of sections of a document, as lists of arguments:
 * `a|b` is two commands, names of `places` are replaced, comments are left out.
 */
export function commandsIn(
  path: string,
  sections: readonly string[],
  places: Readonly<Record<string, string>>,
): string[][] {
  const text = readFileSync(path, 'utf8');
  return sections.flatMap((section) => {
    const [, after = ''] = text.split(`\n## ${section}\n`);
    const [body = ''] = after.split('\n## ');
    const blocks = [...body.matchAll(/```sh\n(.*?)```/gs)].map(([, block = '']) => block);
    return blocks.flatMap((block) => block.split('\n')).flatMap((line) => commandsOf(line, places));
  });
}

function commandsOf(line: string, places: Readonly<Record<string, string>>): string[][] {
  const [code = ''] = line.split(/\s+#/);
  return code
    .split(' ; ')
    .map((command) => command.trim())
    .filter((command) => command.startsWith('npx espalier '))
    .flatMap((command) => expanded(wordsOf(command).slice(2)))
    .map((words) => words.map((word) => places[word] ?? word));
}

function wordsOf(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(
    ([, quoted, plain]) => quoted ?? plain ?? '',
  );
}

/** `job pause|resume x` is `job pause x` and `job resume x`. */
function expanded(words: readonly string[]): string[][] {
  const at = words.findIndex((word) => /^[a-z-]+(\|[a-z-]+)+$/.test(word));
  if (at < 0) return [[...words]];
  return (words[at] ?? '').split('|').map((one) => words.with(at, one));
}

/** The example `espalier ...` of each row of the tables of a section, as lists of arguments. */
export function examplesIn(
  path: string,
  section: string,
  places: Readonly<Record<string, string>>,
): string[][] {
  const [, after = ''] = readFileSync(path, 'utf8').split(`\n## ${section}\n`);
  const [body = ''] = after.split('\n## ');
  const rows = body.split('\n').filter((line) => line.startsWith('|'));
  return rows
    .flatMap((row) => [...row.matchAll(/`espalier ([^`]+)`/g)].map(([, words = '']) => words))
    .map((example) => wordsOf(example).map((word) => places[word] ?? word));
}
