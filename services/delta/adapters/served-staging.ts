import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Clock, sleep } from '#libs/clock/clock.js';
import type { ContentStore } from '#libs/content-store/content-store.js';
import type { Manifest } from '#libs/content-store/manifest.js';
import {
  DomainError,
  type RunStarted,
  type StagingAnswer,
  type StagingOrder,
  StagingOrderSchema,
} from '#libs/contracts/index.js';
import { requireUsableNames } from '#libs/delta/names.js';
import { filterManifest } from '#libs/delta/pushed.js';
import { joinParts, type StagedPart, stagedParts } from '#libs/delta/staged.js';
import type { Staging } from '../app/dependencies.js';
import { requireNames } from './local-staging.js';
import { requireContent } from './pushed-staging.js';

/** Asks a staging server; undefined: it did not answer in time. */
export type AskStagingServer = (
  server: string,
  order: StagingOrder,
) => Promise<StagingAnswer | undefined>;

export class StagingServersAway extends DomainError {
  override readonly name = 'StagingServersAway';
  constructor(site: string, { place, servers }: StagedPart) {
    const names = servers.length > 1 ? `none of ${servers.join(', ')}` : `not ${servers[0]}`;
    const what = place === '' ? site : `${place} of ${site}`;
    super(
      `no staging server of ${what} answers, ${names}`,
      `start it there (espalier stage serve ${site}=DIR --name ${servers[0]}), then publish again`,
    );
  }
}

export class StagingServerRefused extends DomainError {
  override readonly name = 'StagingServerRefused';
  constructor(server: string, message: string, remedy: string) {
    super(`staging server ${server}: ${message}`, remedy || 'see its log, then publish again');
  }
}

export interface ServedStagingPorts {
  readonly store: ContentStore;
  readonly ask: AskStagingServer;
  readonly clock: Clock;
  /** A staging server that says nothing for so long is away. */
  readonly awayMs: number;
}

const firstPauseMs = 20;
const longestPauseMs = 1_000;

/** Sites whose trees are on staging servers; the others are for `next`. */
export function servedOr(ports: ServedStagingPorts, next: Staging): Staging {
  return {
    async capture(run) {
      const parts = stagedParts(run.staging);
      if (!parts) return next.capture(run);
      const captured = await Promise.all(parts.map((part) => capturePart(ports, run, part)));
      const manifest = filterManifest(joinParts(captured), run.filters);
      requireUsableNames(`the staging servers of ${run.site}`, manifest);
      requireNames(run, manifest);
      if (!run.dryRun) await requireContent(ports.store, run.site, manifest);
      return { root: '', manifest, filesRead: 0, bytesRead: 0 };
    },
  };
}

/** From the first of the servers that answers. @throws StagingServersAway, StagingServerRefused */
async function capturePart(
  ports: ServedStagingPorts,
  run: RunStarted,
  part: StagedPart,
): Promise<{ readonly place: string; readonly manifest: Manifest }> {
  const { runId, site, filters, dryRun } = run;
  const { place } = part;
  const order: MessageInitShape<typeof StagingOrderSchema> = {
    ...{ runId, site, place, filters, dryRun },
  };
  for (const server of part.servers) {
    const digest = await digestFrom(ports, server, create(StagingOrderSchema, order));
    if (digest !== undefined) return { place, manifest: await ports.store.readManifest(digest) };
  }
  throw new StagingServersAway(site, part);
}

/** Undefined when the server is away. @throws StagingServerRefused */
async function digestFrom(
  { ask, clock, awayMs }: ServedStagingPorts,
  server: string,
  order: StagingOrder,
): Promise<string | undefined> {
  let heardMs = clock.nowMs();
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    const { answer } = (await ask(server, order)) ?? {};
    if (answer?.case === 'staged') return Buffer.from(answer.value.manifestDigest).toString('hex');
    if (answer?.case === 'refused') {
      throw new StagingServerRefused(server, answer.value.message, answer.value.remedy);
    }
    if (answer) heardMs = clock.nowMs();
    else if (clock.nowMs() - heardMs >= awayMs) return undefined;
    await sleep(clock, pauseMs);
  }
}
