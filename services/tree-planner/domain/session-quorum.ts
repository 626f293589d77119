import type { CommitPolicy } from '#libs/contracts/index.js';

/**
 * With how many of a segment's members a multicast session may end, the others being left to pull:
 * 0 where the run's quorum says nothing about a segment by itself, so that none is left.
 */
export function sessionQuorum(commit: CommitPolicy | undefined, members: number): number {
  const quorum = commit?.quorum;
  switch (quorum?.case) {
    case 'percent':
      return Math.max(1, Math.ceil((members * quorum.value) / 100));
    case 'count':
      return commit?.eachSegment ? Math.max(1, quorum.value) : 0;
    default:
      return 0;
  }
}
