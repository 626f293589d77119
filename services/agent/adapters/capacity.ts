import { readFileSync, statfsSync } from 'node:fs';
import { availableParallelism, cpus, networkInterfaces, totalmem, uptime } from 'node:os';
import { create } from '@bufbuild/protobuf';
import type { Clock } from '#libs/clock/clock.js';
import { type Capacity, CapacitySchema } from '#libs/contracts/index.js';

/** What this host has; free disk is that of the file system of `root`. */
export function measureCapacity(root: string): Capacity {
  const { bavail, bsize } = statfsSync(root);
  return create(CapacitySchema, {
    cpuCount: availableParallelism(),
    cpuMhz: cpus()[0]?.speed ?? 0,
    memoryBytes: BigInt(totalmem()),
    diskFreeBytes: BigInt(bavail) * BigInt(bsize),
    uptimeMs: BigInt(Math.round(uptime() * 1000)),
  });
}

/** Speed of the interface with this address; `undefined` where the host does not tell. */
export function networkMbitPerS(interfaceAddress: string): number | undefined {
  const found = Object.entries(networkInterfaces()).find(([, addresses]) =>
    addresses?.some(({ address }) => address === interfaceAddress),
  );
  try {
    const speed = Number(readFileSync(`/sys/class/net/${found?.[0]}/speed`, 'utf8'));
    return speed > 0 ? speed : undefined;
  } catch {
    return undefined;
  }
}

/** Disk and uptime change slowly; asking at every wake-up would cost more than the rest. */
const measureEveryMs = 10_000;

/** The capacity of this host, measured at most once in ten seconds. */
export function capacityMeter(
  root: string,
  clock: Clock,
  connections: () => number,
): () => Capacity {
  let measured = measureCapacity(root);
  let atMs = clock.nowMs();
  return () => {
    if (clock.nowMs() - atMs >= measureEveryMs) {
      measured = measureCapacity(root);
      atMs = clock.nowMs();
    }
    return { ...measured, connections: connections() };
  };
}
