/*
 * What a data frame says (big endian); the network adds who sent it and a tag.
 *
 *   0  8  session: first 8 bytes of the container's digest
 *   8  4  number of the frame, or of the batch that a repair frame is for; both from 0
 *  12  2  pass, from 1
 *  14  2  0: a frame of the container; n: repair frame n - 1 of the batch
 *  16  n  content: frame_bytes, or what is left at the container's end
 */
export const dataHeaderBytes = 16;

export interface DataFrame {
  /** Hex. */
  readonly session: string;
  readonly number: number;
  readonly pass: number;
  readonly repair: number;
  /** Shares memory with what it was read from, and is good until the listener returns. */
  readonly content: Uint8Array;
}

/** The largest index a repair frame can have. */
export const maxParityIndex = 0xfffe;

/** The part that goes before the content. */
export function dataHeader(
  session: Uint8Array,
  { number, pass, repair }: Pick<DataFrame, 'number' | 'pass' | 'repair'>,
): Buffer {
  const header = Buffer.allocUnsafe(dataHeaderBytes);
  header.set(session, 0);
  header.writeUInt32BE(number, 8);
  header.writeUInt16BE(pass, 12);
  header.writeUInt16BE(repair, 14);
  return header;
}

/** `undefined` for what is too short to be one. */
export function readDataFrame(payload: Uint8Array): DataFrame | undefined {
  if (payload.length <= dataHeaderBytes) return undefined;
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  return {
    session: bytes.toString('hex', 0, 8),
    number: bytes.readUInt32BE(8),
    pass: bytes.readUInt16BE(12),
    repair: bytes.readUInt16BE(14),
    content: bytes.subarray(dataHeaderBytes),
  };
}
