/** A leader as the plan sees it. */
export interface PlanLeader {
  readonly name: string;
  readonly upBytesPerS: number;
  readonly downBytesPerS: number;
  /** From the leader to the middle of the network, one way. */
  readonly latencyMs: number;
}

/** What is to be sent, and to whom; leaders in the order of preference. */
export interface Load {
  readonly originUpBytesPerS: number;
  readonly leaders: readonly PlanLeader[];
  readonly sizeBytes: number;
  /** What is forwarded as one; a whole number of blocks. */
  readonly batchBytes: number;
}

/** Who pulls from whom: leader -> source (`origin` or a leader), in the order they are served. */
export type Tree = ReadonlyMap<string, string>;

/**
 * Batch `j` travels along tree `j % trees.length`. One tree (`breadth`): whoever has all of it
 * serves others. Several (`stripes`): each leader forwards mostly one stripe, as soon as it comes.
 */
export interface TreePlan {
  readonly shape: 'breadth' | 'stripes';
  readonly trees: readonly Tree[];
  /** Estimate of the time until the last leader has everything. */
  readonly estimateMs: number;
}
