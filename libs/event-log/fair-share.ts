import { partitionCount } from '#libs/contracts/index.js';

export const allPartitions: readonly number[] = Array.from(
  { length: partitionCount },
  (_, partition) => partition,
);

/**
 * The partitions that fall to one of the replicas that live: every n-th, by its place among them.
 * All replicas that see the same ones come to the same answer without asking each other.
 */
export function fairShare(holder: string, alive: readonly string[]): number[] {
  const replicas = [...alive].sort();
  const place = replicas.indexOf(holder);
  return allPartitions.filter((partition) => partition % replicas.length === place);
}
