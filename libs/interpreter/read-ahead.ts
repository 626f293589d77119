import type { FileEntry } from '#libs/content-store/manifest.js';
import { type ContentContext, contentOf, smallBytes } from './file-content.js';
import { type FileStep, originOf, type Step } from './plan.js';
import type { Origin } from './planned-tree.js';

/** Small files whose content is fetched before they are written. */
const filesAhead = 16;
/** Steps that are looked at for them. */
const stepsAhead = 64;

export type Pieces = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/**
 * Fetches the content of small files before it is needed: each fetch is a trip to another thread.
 */
export class ReadAhead {
  private readonly fetched = new Map<number, Promise<Pieces>>();
  private next = 0;

  constructor(
    private readonly steps: readonly Step[],
    private readonly context: ContentContext,
  ) {}

  /** The bytes of step `index`; indices must rise. */
  content(index: number, step: FileStep): Pieces | Promise<Pieces> {
    this.next = Math.max(this.next, index);
    const end = Math.min(this.steps.length, index + stepsAhead);
    for (; this.next < end && this.fetched.size < filesAhead; this.next++) {
      const small = smallFile(this.steps[this.next]);
      if (small) this.fetched.set(this.next, this.fetch(small));
    }
    const content = this.fetched.get(index);
    this.fetched.delete(index);
    return content ?? contentOf(step.entry, originOf(step), this.context);
  }

  private fetch({ entry, data }: SmallFile): Promise<Pieces> {
    const content = this.context.data.read(data, entry.sizeBytes).then((bytes) => [bytes]);
    // The build may fail before it gets to this file.
    content.catch(() => undefined);
    return content;
  }
}

interface SmallFile {
  readonly entry: FileEntry;
  readonly data: NonNullable<Extract<Origin, { kind: 'data' }>['data']>;
}

function smallFile(step: Step | undefined): SmallFile | undefined {
  if (step?.kind !== 'write' || step.origin.kind !== 'data') return undefined;
  const { entry, origin } = step;
  if (!origin.data || entry.sizeBytes === 0 || entry.sizeBytes > smallBytes) return undefined;
  return { entry, data: origin.data };
}
