import type { PinBook } from '#libs/content-store/pin-book.js';
import type { RecordedEvent } from '#libs/contracts/index.js';

/** Trees of a site that stay, besides those that runs need. */
export const keptTrees = 10;
/** A server that was away for longer needs a new assignment. */
const assignmentLifeMs = 7 * 24 * 60 * 60 * 1000;

export const runPin = (runId: string) => `runs/${runId}`;
const treePrefix = (site: string) => `trees/${site}/`;
const checkpointPin = (site: string, checkpoint: string) => `checkpoints/${site}/${checkpoint}`;

/** The digests of the trees of a site that servers serve now. */
export type TreesServed = (site: string) => ReadonlySet<string>;

/** Which content stays. Every reaction may be repeated. */
export class ContentPins {
  constructor(
    private readonly book: PinBook,
    private readonly treesServed: TreesServed,
  ) {}

  /** What went live stays until enough others did after it, and as long as a server serves it. */
  async committed({ data }: RecordedEvent<'CommitIssued'>): Promise<void> {
    const { site, sequence, manifestDigest, treeDigest } = data;
    const tree = hex(treeDigest);
    const prefix = treePrefix(site);
    await this.book.pin(`${prefix}${sequence}`, {
      manifests: [hex(manifestDigest)],
      blobs: [],
      tree,
    });
    const pins = [...(await this.book.pins())]
      .filter(([name]) => name.startsWith(prefix))
      .sort(([a], [b]) => Number(b.slice(prefix.length)) - Number(a.slice(prefix.length)));
    const served = this.treesServed(site);
    for (const [name, pin] of pins.slice(keptTrees)) {
      if (!served.has(pin.tree ?? '')) await this.book.unpin(name);
    }
  }

  /** A checkpoint stays until it is deleted. */
  async checkpointed({ data }: RecordedEvent<'CheckpointCreated'>): Promise<void> {
    const { site, checkpoint, manifestDigest } = data;
    const manifests = [hex(manifestDigest)];
    await this.book.pin(checkpointPin(site, checkpoint), { manifests, blobs: [] });
  }

  async checkpointDeleted({ data }: RecordedEvent<'CheckpointDeleted'>): Promise<void> {
    await this.book.unpin(checkpointPin(data.site, data.checkpoint));
  }

  /** A container stays for as long as servers take it. */
  async built({ data, timeMs }: RecordedEvent<'AssignmentBuilt'>): Promise<void> {
    const blobs = [hex(data.containerDigest)];
    const untilMs = timeMs + assignmentLifeMs;
    await this.book.pin(`assignments/${data.assignmentId}`, { blobs, manifests: [], untilMs });
  }

  /** Between the waves of a rollout no run needs their tree; the end of the rollout closes it. */
  async soaking({ data: { runId, tree } }: RecordedEvent<'WaveSoaking'>): Promise<void> {
    if (!tree) return;
    const manifests = [Buffer.from(tree.manifestDigest).toString('hex')];
    await this.book.pin(runPin(runId), { manifests, blobs: [] });
  }

  /** The trees of a run are kept as what is live, or by nobody. */
  async closed({ data }: RecordedEvent<'RunClosed'>): Promise<void> {
    await this.book.unpin(runPin(data.runId));
  }
}

function hex(digest: Uint8Array): string {
  return Buffer.from(digest).toString('hex');
}
