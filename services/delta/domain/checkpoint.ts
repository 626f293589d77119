import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type CheckpointCreatedSchema,
  DomainError,
  type DomainEvent,
  event,
} from '#libs/contracts/index.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';

export type CheckpointEvent = DomainEvent<
  'CheckpointCreated' | 'CheckpointPinned' | 'CheckpointDeleted'
>;

export type CheckpointCommand =
  | {
      readonly type: 'create';
      readonly checkpoint: MessageInitShape<typeof CheckpointCreatedSchema>;
      /** How many stay, without those that are pinned. */
      readonly kept: number;
    }
  | {
      readonly type: 'pin';
      readonly site: string;
      readonly checkpoint: string;
      readonly pinned: boolean;
    }
  | { readonly type: 'delete'; readonly site: string; readonly checkpoint: string };

export interface Checkpoint {
  readonly runId: string;
  readonly pinned: boolean;
}

/** A site's checkpoints by name, oldest first. */
export type Checkpoints = ReadonlyMap<string, Checkpoint>;

export class CheckpointExists extends DomainError {
  override readonly name = 'CheckpointExists';
  constructor(site: string, checkpoint: string) {
    super(`${site} has a checkpoint ${checkpoint} already`, 'choose another name, or delete it');
  }
}

export class UnknownCheckpoint extends DomainError {
  override readonly name = 'UnknownCheckpoint';
  constructor(site: string, checkpoint: string) {
    super(
      `${site} has no checkpoint ${JSON.stringify(checkpoint)}`,
      `espalier checkpoint list ${site} shows them`,
    );
  }
}

export class CheckpointIsPinned extends DomainError {
  override readonly name = 'CheckpointIsPinned';
  constructor(site: string, checkpoint: string) {
    const remedy = `espalier checkpoint pin ${site} ${checkpoint} --off lets it go`;
    super(`the checkpoint ${checkpoint} of ${site} is pinned`, remedy);
  }
}

/** The safe versions of one site: made on demand, and kept up to a number. */
export const checkpointAggregate: Aggregate<Checkpoints, CheckpointCommand, CheckpointEvent> = {
  type: 'checkpoint',
  initial: new Map(),

  evolve(state, { type, data }) {
    const next = new Map(state);
    switch (type) {
      case 'CheckpointCreated':
        return next.set(data.checkpoint, { runId: data.runId, pinned: false });
      case 'CheckpointPinned': {
        const known = state.get(data.checkpoint);
        return known ? next.set(data.checkpoint, { ...known, pinned: data.pinned }) : state;
      }
      case 'CheckpointDeleted':
        next.delete(data.checkpoint);
        return next;
    }
  },

  /** @throws CheckpointExists, UnknownCheckpoint, CheckpointIsPinned */
  decide(command, state) {
    switch (command.type) {
      case 'create':
        return create(command, state);
      case 'pin': {
        const { site, checkpoint, pinned } = command;
        const known = state.get(checkpoint);
        if (!known) throw new UnknownCheckpoint(site, checkpoint);
        if (known.pinned === pinned) return [];
        return [event('CheckpointPinned', { site, checkpoint, pinned })];
      }
      case 'delete': {
        const { site, checkpoint } = command;
        const known = state.get(checkpoint);
        if (!known) throw new UnknownCheckpoint(site, checkpoint);
        if (known.pinned) throw new CheckpointIsPinned(site, checkpoint);
        return [event('CheckpointDeleted', { site, checkpoint, reason: 'on demand' })];
      }
    }
  },
};

function create(
  { checkpoint, kept }: Extract<CheckpointCommand, { type: 'create' }>,
  state: Checkpoints,
): CheckpointEvent[] {
  const { site = '', checkpoint: name = '', runId = '' } = checkpoint;
  const known = state.get(name);
  if (known?.runId === runId) return [];
  if (known) throw new CheckpointExists(site, name);
  const unpinned = [...state].filter(([, { pinned }]) => !pinned).map(([each]) => each);
  const tooMany = unpinned.slice(0, Math.max(0, unpinned.length + 1 - kept));
  return [
    event('CheckpointCreated', checkpoint),
    ...tooMany.map((old) =>
      event('CheckpointDeleted', { site, checkpoint: old, reason: `only ${kept} are kept` }),
    ),
  ];
}
