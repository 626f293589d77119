import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type ChangeSetComputedSchema,
  type ChangeSetFailedSchema,
  type DomainEvent,
  event,
} from '#libs/contracts/index.js';
import type { Aggregate } from '#libs/event-log/aggregate.js';

export type ChangeSetEvent = DomainEvent<'ChangeSetComputed' | 'ChangeSetFailed'>;

export type ChangeSetCommand =
  | {
      readonly type: 'record-result';
      readonly result: MessageInitShape<typeof ChangeSetComputedSchema>;
    }
  | {
      readonly type: 'record-failure';
      readonly failure: MessageInitShape<typeof ChangeSetFailedSchema>;
    };

export type ChangeSetState =
  | { readonly situation: 'awaited' }
  | { readonly situation: 'computed' }
  | { readonly situation: 'failed'; readonly reason: string };

/**
 * What one run changes. Only the first result counts: a scan that is repeated after a crash may see
 * another staging directory, but others already work with what the first one found.
 */
export const changeSet: Aggregate<ChangeSetState, ChangeSetCommand, ChangeSetEvent> = {
  type: 'changeset',
  initial: { situation: 'awaited' },

  evolve(_state, { type, data }) {
    switch (type) {
      case 'ChangeSetComputed':
        return { situation: 'computed' };
      case 'ChangeSetFailed':
        return { situation: 'failed', reason: data.reason };
    }
  },

  decide(command, state) {
    if (state.situation !== 'awaited') return [];
    switch (command.type) {
      case 'record-result':
        return [event('ChangeSetComputed', command.result)];
      case 'record-failure':
        return [event('ChangeSetFailed', command.failure)];
    }
  },
};
