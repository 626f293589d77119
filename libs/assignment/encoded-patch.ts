import type { PatchForm } from './commands.js';
import type { StoredContent } from './data-file.js';

/** What a patch command and its slice of the data file need. */
export interface EncodedPatch extends StoredContent, PatchForm {
  readonly kind: 'patch';
}
