import { checkedContent } from '#libs/content-store/checked-content.js';
import type { ContentStore } from '#libs/content-store/content-store.js';
import { lacking } from '#libs/content-store/lacking.js';
import { type Manifest, treeDigest } from '#libs/content-store/manifest.js';
import { decodeManifest, MalformedManifest } from '#libs/content-store/manifest-codec.js';
import type { PinBook } from '#libs/content-store/pin-book.js';
import { type Room, requireRoom } from '#libs/content-store/room.js';
import { DomainError } from '#libs/contracts/index.js';
import { pushedPin } from '#libs/delta/pushed.js';
import { isServerName } from '#libs/delta/staged.js';
import { InvalidRequest } from './json.js';

/** Thrown when a tree is to be kept whose content did not arrive. */
export class ContentNotPushed extends DomainError {
  override readonly name = 'ContentNotPushed';
  constructor(path: string, count: number) {
    super(`the content of ${path} and of ${count - 1} other files is not here`, 'push again');
  }
}

/** What a staging server still has to send. */
export interface Lacking {
  readonly digests: readonly string[];
  readonly bytes: number;
}

/** Which tree is brought. */
export interface PushedTree {
  readonly site: string;
  /** The staging server that brings it; absent: somebody by hand. */
  readonly server?: string | undefined;
}

const siteForm = /^[a-z0-9][a-z0-9-]{0,62}$/;
/** Longer than a push takes; after a crash of the staging server the collector waits so long. */
const holdMs = 6 * 60 * 60 * 1000;

export interface PushedTreesPorts {
  readonly store: ContentStore;
  readonly pins: PinBook;
  room(): Promise<Room> | undefined;
}

/** Receives trees of staging servers: first what is lacking, then the tree as a whole. */
export class PushedTrees {
  constructor(private readonly ports: PushedTreesPorts) {}

  /**
   * Which content of a tree is not here; what is here stays until the tree is kept.
   * @throws InvalidRequest, ContentStoreFull
   */
  async lacking(tree: PushedTree, manifestBytes: Uint8Array): Promise<Lacking> {
    const name = pinOf(tree);
    const manifest = parse(manifestBytes);
    const { pins, room } = this.ports;
    await pins.hold(name, holdMs);
    const missing = await this.missing(manifest);
    const bytes = missing.reduce((sum, file) => sum + file.sizeBytes, 0);
    const measured = await room();
    if (measured) requireRoom(measured, bytes);
    return { digests: missing.map((file) => file.digest), bytes };
  }

  /** Stores one blob. @throws DigestMismatch, ContentTooLong: then nothing is stored */
  async take(digest: string, content: AsyncIterable<Uint8Array>, maxBytes: number): Promise<void> {
    const { store } = this.ports;
    const checked = checkedContent(content, { digest, maxBytes, what: `the upload of ${digest}` });
    await store.write(checked);
  }

  /**
   * Makes a tree the one that the next run publishes.
   * @throws InvalidRequest, ContentNotPushed
   */
  async keep(tree: PushedTree, manifestBytes: Uint8Array) {
    const name = pinOf(tree);
    const manifest = parse(manifestBytes);
    const [first, ...others] = await this.missing(manifest);
    if (first) throw new ContentNotPushed(first.path, 1 + others.length);
    const { store, pins } = this.ports;
    const manifestDigest = await store.writeManifest(manifest);
    await pins.pin(name, { manifests: [manifestDigest], blobs: [] });
    await pins.release(name);
    return { manifestDigest, treeDigest: treeDigest(manifest) };
  }

  /** Stores what a tree is made of, for a dry run. @throws InvalidRequest */
  async describe(manifestBytes: Uint8Array) {
    const manifest = parse(manifestBytes);
    const manifestDigest = await this.ports.store.writeManifest(manifest);
    return { manifestDigest, treeDigest: treeDigest(manifest) };
  }

  private missing(manifest: Manifest) {
    return lacking(
      this.ports.store,
      manifest.filter((entry) => entry.type === 'file'),
    );
  }
}

/** @throws InvalidRequest */
function pinOf({ site, server }: PushedTree): string {
  if (!siteForm.test(site)) throw new InvalidRequest(`${site} names no site`, 'name a site');
  if (server !== undefined) requireStagingServer(server);
  return pushedPin(site, server);
}

/** @throws InvalidRequest */
export function requireStagingServer(server: string): void {
  if (isServerName(server)) return;
  throw new InvalidRequest(
    `${server} names no staging server`,
    'use up to 63 letters, digits, dots, hyphens and underscores',
  );
}

function parse(bytes: Uint8Array): Manifest {
  try {
    return decodeManifest(bytes);
  } catch (cause) {
    if (!(cause instanceof MalformedManifest)) throw cause;
    const message = `the body is no manifest: ${cause.message}`;
    throw new InvalidRequest(message, 'see proto/espalier/v1/manifest.proto', { cause });
  }
}
