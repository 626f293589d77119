import type { NatsConnection } from '@nats-io/nats-core';
import { DomainError } from '#libs/contracts/index.js';
import { reasonOf } from '#libs/telemetry/logger.js';

const oldestVersion = [2, 10, 27] as const;
const monitorTimeoutMs = 3000;

/** The NATS server is too old to keep the log's promises. */
export class UnsupportedServer extends DomainError {
  override readonly name = 'UnsupportedServer';
}

/** The NATS server acknowledges before it has written to disk, or may do so. */
export class LazySync extends DomainError {
  override readonly name = 'LazySync';
  constructor(reason: string) {
    super(
      `acknowledged events could be lost in a power failure: ${reason}`,
      'set `sync_interval: always` in the jetstream block of nats-server and name its monitoring ' +
        'URL in ESPALIER_NATS_MONITOR_URL, or accept the risk with --allow-lazy-sync',
    );
  }
}

/** @throws UnsupportedServer */
export function checkServerVersion(nats: NatsConnection): string {
  const version = nats.info?.version ?? 'unknown';
  if (!isAtLeast(version, oldestVersion)) {
    throw new UnsupportedServer(
      `nats-server ${version} is older than ${oldestVersion.join('.')}`,
      'install nats-server 2.12 or later',
    );
  }
  if (nats.info?.jetstream !== true) {
    throw new UnsupportedServer(
      `nats-server ${version} runs without JetStream`,
      'start it with a jetstream block in its configuration',
    );
  }
  return version;
}

export function isAtLeast(version: string, oldest: readonly number[]): boolean {
  const parts = version.split(/[.-]/).map(Number);
  for (const [index, wanted] of oldest.entries()) {
    const part = parts[index] ?? Number.NaN;
    if (part !== wanted) return part > wanted;
  }
  return true;
}

/**
 * Why acknowledged events may not be on disk; undefined when every server named is known to sync.
 * @param monitorUrls addresses of HTTP monitoring, separated by commas
 */
export async function whyLazy(monitorUrls: string | undefined): Promise<string | undefined> {
  if (!monitorUrls) return 'the monitoring URL of nats-server is not known';
  for (const url of monitorUrls.split(',')) {
    const reason = await whyServerIsLazy(url.trim());
    if (reason) return reason;
  }
  return undefined;
}

async function whyServerIsLazy(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(new URL('/varz', url), {
      signal: AbortSignal.timeout(monitorTimeoutMs),
    });
    const varz = (await response.json()) as { jetstream?: { config?: { sync_always?: boolean } } };
    if (varz.jetstream?.config?.sync_always === true) return undefined;
    return `nats-server at ${url} has no \`sync_interval: always\``;
  } catch (error) {
    return `nats-server's monitoring at ${url} does not answer (${reasonOf(error)})`;
  }
}
