import { importPublicKey, keyIdOf, type SigningKey } from '#libs/keys/ed25519.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';
import { encodeEnvelope, openEnvelope, parseEnvelope, signEnvelope } from './envelope.js';
import { AssignmentRefused } from './errors.js';

export const rootPayloadType = 'application/vnd.espalier.root.v1+json';

/** Who may sign what. Enrolment brings the first version to servers; each next one is signed. */
export interface RootDocument {
  /** 1, 2, 3 ... */
  readonly version: number;
  /** From then on it counts no more. */
  readonly expiresAtMs: number;
  /** Who signs the next root document; keys that may stay offline. */
  readonly roots: TrustRoot;
  /** Who signs assignments. */
  readonly assignments: TrustRoot;
}

const maxDocumentBytes = 65_536;
const maxKeys = 64;

/** A root document in its envelope, signed by `keys`. */
export function writeRootFile(document: RootDocument, keys: readonly SigningKey[]): Uint8Array {
  const { version, expiresAtMs, roots, assignments } = document;
  const payload = JSON.stringify({
    version,
    expiresAtMs,
    roots: trustJson(roots),
    assignments: trustJson(assignments),
  });
  return encodeEnvelope(signEnvelope(rootPayloadType, Buffer.from(payload), keys));
}

/**
 * A root document that vouches for itself: its own root keys signed it. Only for the first one, or
 * one from a place that is trusted.
 * @throws AssignmentRefused `malformed`, `untrusted`
 */
export function readRootFile(bytes: Uint8Array): RootDocument {
  const document = parsed(bytes);
  openEnvelope(parseEnvelope(bytes), rootPayloadType, document.roots);
  return document;
}

/**
 * The root document that follows `current`: enough of the old root keys and enough of the new ones
 * signed it, and no version was left out. Store it after this, never before.
 * @throws AssignmentRefused `malformed`, `untrusted`, `replayed`, `expired`
 */
export function nextRoot(current: RootDocument, bytes: Uint8Array, nowMs: number): RootDocument {
  const envelope = parseEnvelope(limited(bytes));
  openEnvelope(envelope, rootPayloadType, current.roots);
  const next = parsed(bytes);
  openEnvelope(envelope, rootPayloadType, next.roots);
  if (next.version !== current.version + 1) {
    const message = `root document ${next.version} does not follow ${current.version}`;
    throw new AssignmentRefused('replayed', message);
  }
  requireCurrent(next, nowMs);
  return next;
}

/** Whom to believe assignments. @throws AssignmentRefused `expired` */
export function assignmentTrust(document: RootDocument, nowMs: number): TrustRoot {
  requireCurrent(document, nowMs);
  return document.assignments;
}

function requireCurrent({ version, expiresAtMs }: RootDocument, nowMs: number): void {
  if (nowMs < expiresAtMs) return;
  throw new AssignmentRefused('expired', `root document ${version} has expired`);
}

function parsed(bytes: Uint8Array): RootDocument {
  const { payload } = parseEnvelope(limited(bytes));
  let json: Partial<Record<keyof RootDocument, unknown>>;
  try {
    json = JSON.parse(Buffer.from(payload).toString('utf8')) as typeof json;
  } catch (cause) {
    throw new AssignmentRefused('malformed', 'the root document is no JSON', { cause });
  }
  const { version, expiresAtMs, roots, assignments } = json ?? {};
  if (!isCount(version) || !isCount(expiresAtMs)) {
    throw malformed('the root document has no version or no end');
  }
  return {
    version,
    expiresAtMs,
    roots: trustOf('root', roots),
    assignments: trustOf('assignment', assignments),
  };
}

function limited(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= maxDocumentBytes) return bytes;
  throw new AssignmentRefused('too-large', `a root document of ${bytes.length} bytes`);
}

/** A threshold that no set of different keys can reach, or that nobody must reach, is refused. */
function trustOf(what: string, value: unknown): TrustRoot {
  const { threshold, keys } = (value ?? {}) as { threshold?: unknown; keys?: unknown };
  if (!isCount(threshold) || !Array.isArray(keys) || keys.length > maxKeys) {
    throw malformed(`the root document names no ${what} keys`);
  }
  const publicKeys = keys.map((key) => new Uint8Array(Buffer.from(String(key), 'base64')));
  try {
    for (const key of publicKeys) importPublicKey(key);
  } catch (cause) {
    throw new AssignmentRefused('malformed', `one of the ${what} keys is unacceptable`, { cause });
  }
  const different = new Set(publicKeys.map(keyIdOf));
  if (different.size !== publicKeys.length) throw malformed(`a ${what} key is named twice`);
  if (threshold > different.size) throw malformed(`${threshold} of ${different.size} cannot sign`);
  return { keys: publicKeys, threshold };
}

function trustJson({ keys, threshold }: TrustRoot) {
  return { threshold, keys: keys.map((key) => Buffer.from(key).toString('base64')) };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

function malformed(message: string): AssignmentRefused {
  return new AssignmentRefused('malformed', message);
}
