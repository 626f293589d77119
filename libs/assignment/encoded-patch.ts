import type { TakeMemory, WorkMemory } from '#libs/native/work-memory.js';
import type { PatchForm } from './commands.js';
import type { StoredContent } from './data-file.js';
import type { EncodingPolicy } from './encoding-policy.js';

/** What a patch command and its slice of the data file need. */
export interface EncodedPatch extends StoredContent, PatchForm {
  readonly kind: 'patch';
}

/** What making patches needs besides files. */
export interface PatchMeans {
  readonly policy: EncodingPolicy;
  readonly memory: WorkMemory;
  /** Of that memory, until the file is encoded. */
  readonly take: TakeMemory;
}
