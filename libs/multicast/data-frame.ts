/*
 * What a data frame says (big endian); the network adds who sent it and a tag.
 *
 *   0  6  session: first 6 bytes of the container's digest
 *   6  4  number of the frame, or of the batch that a repair frame is for; both from 0
 *  10  2  pass, from 1
 *  12  2  0: a frame of the container; n: repair frame n - 1 of the batch
 *  14  n  content: frame_bytes, or what is left at the container's end
 */
export const dataHeaderBytes = 14;
export const sessionBytes = 6;
export const dataField = { number: 6, pass: 10, repair: 12 } as const;

/** The session that brings a container. */
export function sessionIdOf(containerDigest: Uint8Array): Uint8Array {
  return containerDigest.subarray(0, sessionBytes);
}

/** Frames of a pass that follow each other, or one repair frame. */
export interface DataFrames {
  /** Hex. */
  readonly session: string;
  /** Of the first frame, or of the batch that the repair frame is for. */
  readonly number: number;
  /** How many; of repair frames one. */
  readonly count: number;
  readonly pass: number;
  readonly repair: number;
  /** One after the other, all of one size but the last; good until who gets it returns. */
  readonly content: Uint8Array;
}

/** Single frames, each with its header. @param frameBytes of every content but the last */
export function* payloadsOf(frames: DataFrames, frameBytes: number): Generator<Buffer> {
  for (let at = 0; at < frames.count; at++) {
    const content = frames.content.subarray(at * frameBytes, (at + 1) * frameBytes);
    const payload = Buffer.allocUnsafe(dataHeaderBytes + content.length);
    payload.write(frames.session, 0, sessionBytes, 'hex');
    payload.writeUInt32BE(frames.number + at, dataField.number);
    payload.writeUInt16BE(frames.pass, dataField.pass);
    payload.writeUInt16BE(frames.repair, dataField.repair);
    payload.set(content, dataHeaderBytes);
    yield payload;
  }
}

/** The frame of a payload. `undefined` for what is too short to be one. */
export function readDataFrame(payload: Uint8Array): DataFrames | undefined {
  if (payload.length <= dataHeaderBytes) return undefined;
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  return {
    session: bytes.toString('hex', 0, sessionBytes),
    number: bytes.readUInt32BE(dataField.number),
    count: 1,
    pass: bytes.readUInt16BE(dataField.pass),
    repair: bytes.readUInt16BE(dataField.repair),
    content: bytes.subarray(dataHeaderBytes),
  };
}
