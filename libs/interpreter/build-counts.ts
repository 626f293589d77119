/** What the making of a version took. */
export interface BuildCounts {
  readonly filesWritten: number;
  readonly filesShared: number;
  readonly bytesWritten: number;
}
