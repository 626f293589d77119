import { DomainError } from '#libs/contracts/index.js';

/** What is left for content. */
export interface Room {
  /** Bytes free for this process on the file system of the store; undefined: nobody knows. */
  readonly freeBytes?: number;
  /** Bytes of all blobs, and what they may be; undefined: as much as there is. */
  readonly quota?: { readonly usedBytes: number; readonly quotaBytes: number };
}

/** Thrown before anything is written. */
export class ContentStoreFull extends DomainError {
  override readonly name = 'ContentStoreFull';
}

/** Left free for everything else on the disk. */
const reserveBytes = 64 * 1024 ** 2;

/**
 * Refuses what would not fit.
 * @param neededBytes of new blobs
 * @throws ContentStoreFull
 */
export function requireRoom(room: Room, neededBytes: number): void {
  const { freeBytes, quota } = room;
  if (quota && quota.usedBytes + neededBytes > quota.quotaBytes) {
    throw new ContentStoreFull(
      `${neededBytes} new bytes do not fit into the content store: ${quota.usedBytes} of its ` +
        `quota of ${quota.quotaBytes} bytes are used`,
      'raise ESPALIER_CONTENT_QUOTA_BYTES, or let espalier content gc remove what nobody needs',
    );
  }
  if (freeBytes !== undefined && neededBytes > 0 && neededBytes + reserveBytes > freeBytes) {
    throw new ContentStoreFull(
      `${neededBytes} new bytes do not fit on the disk of the content store: ${freeBytes} are free`,
      'make room there, or let espalier content gc remove what nobody needs',
    );
  }
}
