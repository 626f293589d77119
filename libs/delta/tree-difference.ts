import type {
  DirectoryEntry,
  FileEntry,
  SymlinkEntry,
  TreeEntry,
} from '#libs/content-store/manifest.js';

/**
 * What makes one tree (the base) into another (the wanted one).
 *
 * Every path that differs is in exactly one list, except that a rename names two paths: `from.path`
 * of the base, which goes, and `wanted.path`. Lists are in the order of manifests.
 */
export interface TreeDifference {
  /** Files at new paths with content that no file of the base has. */
  readonly added: readonly FileEntry[];
  /** Files at paths that the base has too, with content that no file of the base has. */
  readonly changed: readonly FileChange[];
  /** Files whose content is that of the base file `from`, which goes. Each `from` is used once. */
  readonly renamed: readonly FileCopy[];
  /** Files whose content is that of the base file `from`, which stays, changes or is renamed. */
  readonly copied: readonly FileCopy[];
  /** Files of the base that are gone, without those that were renamed. */
  readonly deleted: readonly FileEntry[];
  /** Files with the same content at the same path and another mode or modification time. */
  readonly metadata: readonly FileChange[];
  /**
   * Paths where a file, directory or symlink became something else: remove `base`, make `wanted`.
   */
  readonly typeChanged: readonly TypeChange[];
  readonly directories: DirectoryDifference;
  readonly symlinks: SymlinkDifference;
  readonly counts: DifferenceCounts;
  /** Bytes of the files with content that the base does not have. */
  readonly changedBytes: number;
  /**
   * Bytes of all files that are not identical to the base's file at their path. A version that
   * shares only its identical files with the base takes exactly this much disk.
   */
  readonly diskNeededBytes: number;
}

export interface FileChange {
  readonly base: FileEntry;
  readonly wanted: FileEntry;
}

export interface FileCopy {
  /** A file of the base with the content of `wanted`. */
  readonly from: FileEntry;
  readonly wanted: FileEntry;
}

export interface TypeChange {
  readonly base: TreeEntry;
  readonly wanted: TreeEntry;
  /** When `wanted` is a file: a file of the base with its content, if there is one. */
  readonly from?: FileEntry;
}

export interface DirectoryDifference {
  /** A directory precedes what is in it. */
  readonly added: readonly DirectoryEntry[];
  /** A directory follows what is in it. */
  readonly removed: readonly DirectoryEntry[];
  /** As wanted: the same paths with other modes. */
  readonly modeChanged: readonly DirectoryEntry[];
}

export interface SymlinkDifference {
  readonly added: readonly SymlinkEntry[];
  /** As wanted: the same paths with other targets. */
  readonly changed: readonly SymlinkEntry[];
  readonly removed: readonly SymlinkEntry[];
}

/**
 * Counts of files and symlinks; directories are not counted. All but `deleted` add up to `files`,
 * the number of files and symlinks in the wanted tree. A copy, or what became a file or symlink,
 * counts as added when its path held neither in the base, otherwise as changed.
 */
export interface DifferenceCounts {
  readonly added: number;
  readonly changed: number;
  readonly deleted: number;
  readonly renamed: number;
  readonly metadata: number;
  readonly unchanged: number;
  readonly files: number;
}
