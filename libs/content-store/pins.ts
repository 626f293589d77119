/** Keeps content from being collected. */
export interface Pin {
  readonly blobs: readonly string[];
  /** Manifests, each with the content of all its files. */
  readonly manifests: readonly string[];
  /** Digest of the tree that the pin is for, where its owner wants to know. */
  readonly tree?: string;
  /** From then on the pin keeps nothing; absent: until it is removed. */
  readonly untilMs?: number;
}

/** A small object of a shelf. */
export interface ShelfEntry {
  readonly key: string;
  readonly modifiedMs: number;
}

/** A place for small named objects beside the blobs. Keys have one `/`; all writes are durable. */
export interface Shelf {
  /** Replaces what has this key, whole. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** Undefined when there is no such object. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Harmless when there is no such object. */
  remove(key: string): Promise<void>;
  list(prefix: string): Promise<readonly ShelfEntry[]>;
}

/** One blob of a store, as the collector sees it. */
export interface StoredBlob {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

/** A store whose blobs can be counted and removed. */
export interface CollectableStore {
  blobs(): AsyncIterable<StoredBlob>;
  /** Removes a blob unless it was written again since `beforeMs`. @returns whether it is gone */
  remove(digest: string, beforeMs: number): Promise<boolean>;
  readonly shelf: Shelf;
}

/** Thrown for a pin that cannot be read: nothing may be collected then. */
export class MalformedPin extends Error {
  override readonly name = 'MalformedPin';
  constructor(pin: string, options?: ErrorOptions) {
    super(`the pin ${pin} cannot be read`, options);
  }
}

export function encodePin(pin: Pin): Uint8Array {
  return Buffer.from(JSON.stringify(pin));
}

/** @throws MalformedPin */
export function decodePin(name: string, bytes: Uint8Array): Pin {
  let pin: Partial<Pin>;
  try {
    pin = JSON.parse(Buffer.from(bytes).toString('utf8')) as Partial<Pin>;
  } catch (cause) {
    throw new MalformedPin(name, { cause });
  }
  const { blobs, manifests, tree, untilMs } = pin;
  if (!Array.isArray(blobs) || !Array.isArray(manifests)) throw new MalformedPin(name);
  return {
    ...{ blobs, manifests },
    ...(typeof tree === 'string' ? { tree } : {}),
    ...(untilMs === undefined ? {} : { untilMs }),
  };
}
