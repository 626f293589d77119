import type { Clock } from '#libs/clock/clock.js';
import { PeerConnections, type PeerHttp } from '#libs/fleet-http/adapters/peer-http.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';
import type { LinkGate } from '#libs/tree/link-gate.js';
import type { ArrivingContainer } from './arriving-container.js';
import type { ContainerSpool } from './container-spool.js';
import type { PullRequest } from './pull-request.js';
import { type LinkUse, Transfer } from './transfer.js';

export interface Pulled {
  readonly path: string;
  /** Bytes that came over the network for this pull. */
  readonly bytes: number;
  readonly retries: number;
  /** The source that gave most. */
  readonly sourceUrl: string;
  readonly links: readonly LinkUse[];
  /** Digest of the tree that it makes, as it was signed; unknown of what was here before. */
  readonly signedTree?: Uint8Array;
}

/** Pulls containers over HTTP: from several sources at once, every block verified, resumed. */
export class ContainerPuller {
  private readonly running = new Map<string, Promise<Pulled>>();

  constructor(
    private readonly spool: ContainerSpool,
    private readonly trust: TrustRoot,
    private readonly clock: Clock,
    private readonly http: PeerHttp = new PeerConnections(),
    /** What comes in waits here for its turn. */
    private readonly downlink?: LinkGate,
  ) {}

  /** Two pulls of one container are one. @throws SourcesExhausted */
  pull(request: PullRequest): Promise<Pulled> {
    const running = this.running.get(request.digest);
    if (running) return running;
    const pull = this.pullOnce(request).finally(() => this.running.delete(request.digest));
    this.running.set(request.digest, pull);
    return pull;
  }

  private async pullOnce(request: PullRequest): Promise<Pulled> {
    const { digest, containerBytes } = request;
    const present = await this.spool.find(digest);
    if (present) return { path: present, bytes: 0, retries: 0, sourceUrl: '', links: [] };
    let transfer: Transfer | undefined;
    let signedTree: Uint8Array | undefined;
    const fill = async (arriving: ArrivingContainer) => {
      transfer = new Transfer(arriving, request, this.clock, this.http, this.downlink);
      await transfer.run();
      signedTree = arriving.head?.header.resultTreeDigest;
    };
    const path = await this.spool.receive(digest, containerBytes, this.trust, fill);
    const links = transfer?.links() ?? [];
    const bytes = links.reduce((sum, link) => sum + link.bytes, 0);
    const most = [...links].sort((a, b) => b.bytes - a.bytes)[0];
    const retries = transfer?.retries ?? 0;
    return { path, bytes, retries, sourceUrl: most?.url ?? '', links, signedTree };
  }
}
