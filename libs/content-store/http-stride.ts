/** Of every `everyBytes` the first `takeBytes`, from `fromByte` to the end of a blob. */
export interface Stride {
  readonly fromByte: number;
  readonly takeBytes: number;
  readonly everyBytes: number;
}

/** The stride as the query of a blob's URL: what is asked for so is a resource of its own. */
export function strideQuery({ fromByte, takeBytes, everyBytes }: Stride): string {
  return `from=${fromByte}&take=${takeBytes}&every=${everyBytes}`;
}

/** What a URL's query asks for; nothing where it asks for no stride, or for one without sense. */
export function strideIn(url: string): Stride | undefined {
  const match = /\?from=(\d{1,15})&take=(\d{1,15})&every=(\d{1,15})$/.exec(url);
  const [fromByte = 0, takeBytes = 0, everyBytes = 0] = match?.slice(1).map(Number) ?? [];
  const isSound = takeBytes > 0 && everyBytes >= takeBytes;
  return isSound ? { fromByte, takeBytes, everyBytes } : undefined;
}

/** How much of a blob of `sizeBytes` that is. */
export function stridedBytes({ fromByte, takeBytes, everyBytes }: Stride, sizeBytes: number) {
  const spanBytes = Math.max(0, sizeBytes - fromByte);
  const wholeTurns = Math.floor(spanBytes / everyBytes);
  return wholeTurns * takeBytes + Math.min(spanBytes % everyBytes, takeBytes);
}

/** Its parts, in order. */
export function* stridedParts({ fromByte, takeBytes, everyBytes }: Stride, sizeBytes: number) {
  for (let offset = fromByte; offset < sizeBytes; offset += everyBytes) {
    yield { offset, length: Math.min(takeBytes, sizeBytes - offset) };
  }
}
