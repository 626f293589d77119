import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type WrittenAssignment, writeAssignment } from '#libs/assignment/writer.js';
import { steadyClock } from '#libs/clock/adapters/system-clock.js';
import type { Clock } from '#libs/clock/clock.js';
import { JobType } from '#libs/contracts/index.js';
import { generatePrivateKeyPem, type SigningKey, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { seededRandom } from '#libs/testkit/seeded-random.js';
import type { LinkGate } from '#libs/tree/link-gate.js';
import { ContainerPuller } from './container-puller.js';
import { ContainerSpool } from './container-spool.js';
import { startAgentHttp } from './http-server.js';

/** What limits an agent's link. */
interface Link {
  readonly up?: LinkGate;
  readonly down?: LinkGate;
}

/** A container to be pulled, and agents that pull it from each other: for specs and benches. */
export class PullFixture {
  /** Assignments that agents were told of. */
  readonly notified: string[] = [];
  /** Agent -> bytes that members of its segment asked it for. */
  readonly servedToMembers = new Map<string, number>();
  private readonly closing: (() => Promise<void>)[] = [];

  private constructor(
    readonly directory: string,
    readonly path: string,
    readonly written: WrittenAssignment,
    readonly key: SigningKey,
  ) {}

  static async make(dataBytes: number, assignmentId = 'a', expiresAtMs = 0n): Promise<PullFixture> {
    const directory = mkdtempSync(join(tmpdir(), 'espalier-pull-'));
    const key = signingKeyFromPem(generatePrivateKeyPem());
    const path = join(directory, 'origin.container');
    const type = JobType.PUBLISH;
    const header = { assignmentId, site: 'www', part: 1, parts: 1, type, expiresAtMs };
    const data = randomPieces(dataBytes);
    const written = await writeAssignment({ path, header, commands: [], data, keys: [key] });
    return new PullFixture(directory, path, written, key);
  }

  get digest(): string {
    return this.written.containerDigest;
  }

  get containerBytes(): number {
    return this.written.containerBytes;
  }

  /** An agent's spool, server and puller; `hasten`: how much faster its time-outs pass. */
  async agent(name: string, hasten = 1, spoolBudgetBytes = 1e12, link: Link = {}) {
    const clock: Clock = {
      nowMs: () => steadyClock.nowMs() * hasten,
      schedule: (delayMs, action) => steadyClock.schedule(delayMs / hasten, action),
    };
    const trust = { keys: [this.key.publicKey], threshold: 1 };
    const spool = await ContainerSpool.open(join(this.directory, name), spoolBudgetBytes, clock);
    const http = await startAgentHttp({
      host: '127.0.0.1',
      port: 0,
      spool,
      trust,
      segment: name,
      onNotification: ({ assignmentId }) => void this.notified.push(assignmentId),
      time: () => ({ nowMs: 0, errorMs: 0 }),
      health: () => ({ inService: true, sites: [] }),
      onServedToMember: (_digest, bytes) => {
        this.servedToMembers.set(name, (this.servedToMembers.get(name) ?? 0) + bytes);
      },
      ...(link.up && { uplink: link.up }),
    });
    this.closing.push(() => http.close());
    const puller = new ContainerPuller(spool, trust, clock, undefined, link.down);
    return { url: http.url, spool, puller };
  }

  /** A server that answers as it is told. */
  async server(listener: RequestListener): Promise<string> {
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.closing.push(async () => {
      server.closeAllConnections();
      server.close();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  request(...sourceUrls: string[]) {
    const { digest, containerBytes } = this;
    return { digest, containerBytes, sourceUrls, asMember: false };
  }

  async close(): Promise<void> {
    for (const close of this.closing) await close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function* randomPieces(totalBytes: number): Generator<Uint8Array> {
  const random = seededRandom(totalBytes);
  const piece = Buffer.alloc(65_536);
  for (let left = totalBytes; left > 0; left -= piece.length) {
    for (let at = 0; at < piece.length; at += 4) piece.writeUInt32LE(random() * 2 ** 32, at);
    yield piece.subarray(0, Math.min(left, piece.length));
  }
}
