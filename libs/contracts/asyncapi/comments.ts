import type { Comments } from './json-schema.js';

/** The comments above messages and fields in the text of .proto files. */
export function commentsIn(protoTexts: readonly string[]): Comments {
  const found = new Map<string, string>();
  for (const text of protoTexts) collect(text, found);
  return (message, field) => found.get(field ? `${message}.${field}` : message) ?? '';
}

function collect(text: string, found: Map<string, string>): void {
  let message = '';
  let comment: string[] = [];
  for (const line of text.split('\n').map((each) => each.trim())) {
    const said = /^\/\/ ?(.*)$/.exec(line);
    if (said) {
      comment.push(said[1] ?? '');
      continue;
    }
    const name = /^message (\w+)/.exec(line)?.[1];
    const field = /^(?:repeated |optional )?[\w.<>, ]+ (\w+) = \d+;/.exec(line)?.[1];
    if (name) message = name;
    const key = name ?? (field ? `${message}.${field}` : undefined);
    if (key && comment.length > 0) found.set(key, comment.join(' '));
    comment = [];
  }
}
