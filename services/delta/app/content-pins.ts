import type { PinBook } from '#libs/content-store/pin-book.js';
import type { RecordedEvent } from '#libs/contracts/index.js';

/** Trees of a site that stay, besides those that runs need. */
export const keptTrees = 10;
/** A server that was away for longer needs a new assignment. */
const assignmentLifeMs = 7 * 24 * 60 * 60 * 1000;

export const runPin = (runId: string) => `runs/${runId}`;
const treePrefix = (site: string) => `trees/${site}/`;

/** Which content stays. Every reaction may be repeated. */
export class ContentPins {
  constructor(private readonly book: PinBook) {}

  /** What went live stays until enough others did after it. */
  async committed({ data }: RecordedEvent<'CommitIssued'>): Promise<void> {
    const { site, sequence, manifestDigest } = data;
    const manifests = [Buffer.from(manifestDigest).toString('hex')];
    const prefix = treePrefix(site);
    await this.book.pin(`${prefix}${sequence}`, { manifests, blobs: [] });
    const kept = [...(await this.book.pins()).keys()]
      .filter((name) => name.startsWith(prefix))
      .sort((a, b) => Number(b.slice(prefix.length)) - Number(a.slice(prefix.length)));
    for (const name of kept.slice(keptTrees)) await this.book.unpin(name);
  }

  /** A container stays for as long as servers take it. */
  async built({ data, timeMs }: RecordedEvent<'AssignmentBuilt'>): Promise<void> {
    const blobs = [Buffer.from(data.containerDigest).toString('hex')];
    const untilMs = timeMs + assignmentLifeMs;
    await this.book.pin(`assignments/${data.assignmentId}`, { blobs, manifests: [], untilMs });
  }

  /** The trees of a run are kept as what is live, or by nobody. */
  async closed({ data }: RecordedEvent<'RunClosed'>): Promise<void> {
    await this.book.unpin(runPin(data.runId));
  }
}
