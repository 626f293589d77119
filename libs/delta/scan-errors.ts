import { DomainError } from '#libs/contracts/index.js';

export class StagingNotFound extends DomainError {
  override readonly name = 'StagingNotFound';
  constructor(path: string) {
    super(
      `the staging directory ${path} does not exist`,
      'create it, or correct the path in the site',
    );
  }
}

export class StagingNotADirectory extends DomainError {
  override readonly name = 'StagingNotADirectory';
  constructor(path: string) {
    super(`the staging directory ${path} is not a directory`, 'correct the path in the site');
  }
}

export class UnreadableFile extends DomainError {
  override readonly name = 'UnreadableFile';
  constructor(path: string, cause: unknown) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    super(
      `${path} cannot be read (${reason})`,
      'let the user that runs Espalier read it, or exclude it with a filter',
      { cause },
    );
  }
}

export class FileChangedWhileRead extends DomainError {
  override readonly name = 'FileChangedWhileRead';
  constructor(path: string) {
    super(
      `${path} kept changing while it was read`,
      'publish again when nothing writes to it any more, or exclude it with a filter',
    );
  }
}

export class NameNotUtf8 extends DomainError {
  override readonly name = 'NameNotUtf8';
  /** @param name what is not UTF-8: a file name, or the target of the link `directory` */
  constructor(directory: string, name: Buffer) {
    super(
      `${directory} has a name or link target that is not UTF-8: ${escaped(name)}`,
      'rename it; convmv converts whole directories',
    );
  }
}

export class UnusableNames extends DomainError {
  override readonly name = 'UnusableNames';
  constructor(root: string, paths: readonly string[]) {
    super(
      `${root} has names or link targets that no server takes, for they have control characters, ` +
        `or U+FFFD for bytes that are lost: ${listed(paths)}`,
      'rename them, or exclude them with a filter',
    );
  }
}

export class ClashingNames extends DomainError {
  override readonly name = 'ClashingNames';
  /** @param clashes paths that are one to some file systems, in groups */
  constructor(clashes: readonly (readonly string[])[]) {
    const groups = clashes.map((paths) => paths.join(' = '));
    super(
      `the tree has names that differ by case or normalisation only: ${listed(groups)}`,
      'rename them, exclude them with a filter, or make the site with --name-clashes allow',
    );
  }
}

export class ReservedNames extends DomainError {
  override readonly name = 'ReservedNames';
  constructor(paths: readonly string[]) {
    super(
      `the tree has names that other systems reserve: ${listed(paths)}`,
      'rename them, exclude them with a filter, or make the site with --name-clashes refuse',
    );
  }
}

export class PathTooLong extends DomainError {
  override readonly name = 'PathTooLong';
  constructor(path: string) {
    super(
      `${path} is too long: at most 4096 bytes in all and 255 bytes for a name`,
      'shorten it, or exclude it with a filter',
    );
  }
}

export class UnsupportedFileType extends DomainError {
  override readonly name = 'UnsupportedFileType';
  constructor(path: string, kind: string) {
    super(
      `${path} is a ${kind}; only files, directories and symbolic links can be published`,
      'remove it, or exclude it with a filter',
    );
  }
}

const mostListed = 20;

function listed(names: readonly string[]): string {
  const shown = names.slice(0, mostListed).map((name) => JSON.stringify(name));
  const more = names.length - shown.length;
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** Printable ASCII as it is, every other byte as `\xff`. */
function escaped(name: Buffer): string {
  return [...name]
    .map((byte) =>
      byte > 0x1f && byte < 0x7f
        ? String.fromCharCode(byte)
        : `\\x${byte.toString(16).padStart(2, '0')}`,
    )
    .join('');
}
