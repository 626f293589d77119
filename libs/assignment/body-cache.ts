import type { Body } from './body.js';
import type { EncodingPolicy } from './encoding-policy.js';

/** Which body: what makes the one tree into the other. Manifest digests, lower-case hex. */
export interface BodyRequest {
  /** Empty: there is no tree yet. */
  readonly baseManifest: string;
  readonly resultManifest: string;
  readonly policy: EncodingPolicy;
  /** Names of hooks that come after all else; none unless told. */
  readonly hooks?: readonly string[];
}

export interface BodyCache {
  /**
   * The body, compiled if it is not known: a base that many servers have is compiled for once.
   * @param directory a directory of the caller's own; the body's data is there afterwards, and
   *   stays when the cache forgets the body
   * @throws BlobNotFound, MalformedManifest, AssignmentRefused `too-large`
   */
  body(request: BodyRequest, directory: string): Promise<Body>;
}
