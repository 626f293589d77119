export type TextProblem = 'malformed-text' | 'zero-byte' | 'control-character';

/** C0 and C1 controls and DEL: what lists, logs and terminals take for something else. */
const controlCharacter = /\p{Cc}/u;

/**
 * Why no server takes `text` in a path or in the target of a link, or undefined. A lone surrogate
 * becomes U+FFFD on disk, so two such paths would be one file.
 */
export function textProblem(text: string): TextProblem | undefined {
  if (/\p{Surrogate}/u.test(text) || text.includes('\ufffd')) return 'malformed-text';
  if (text.includes('\0')) return 'zero-byte';
  return controlCharacter.test(text) ? 'control-character' : undefined;
}

/** Names of devices on Windows, with any extension. */
const deviceName =
  /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])(?:\.|$)/i;
/** What separates or abbreviates names elsewhere: streams, drives, short names, wildcards. */
const foreignCharacter = /[<>:"|?*\\]|~\d/;

/** Whether a component of `path` means something else on other systems. */
export function hasReservedName(path: string): boolean {
  return path
    .split('/')
    .some((name) => deviceName.test(name) || foreignCharacter.test(name) || /[ .]$/.test(name));
}
