import type { Clock } from '#libs/clock/clock.js';
import type { EnrolNode, RemoveNode } from '#libs/contracts/index.js';
import { type Aggregate, execute, load } from '#libs/event-log/aggregate.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { type Caller, commandContext } from '#libs/nest-jetstream/context.js';
import { nodeAggregate } from '../domain/node.js';
import { segmentAggregate } from '../domain/segment.js';
import type { View } from './ports.js';

interface Accepted {
  readonly id: string;
  readonly sequence: number;
}

/** Makes servers known, until they leave for good. */
export class EnrolmentService {
  constructor(
    private readonly log: EventLog,
    private readonly view: View,
    private readonly clock: Clock,
  ) {}

  /**
   * Resolves when reports of the node are accepted.
   * @throws InvalidNode, InvalidPublicKey, NodeIdentityTaken, KeyWasRemoved
   */
  async enrol(data: EnrolNode, caller: Caller): Promise<Accepted> {
    const command = { type: 'enrol', data } as const;
    const sequence = await this.change(nodeAggregate, data.node, command, caller);
    return { id: data.node, sequence };
  }

  /**
   * Resolves when reports of the node are no longer accepted. Its segment loses it in a second
   * step, which is made up for when the command comes again.
   * @throws UnknownNode
   */
  async remove(data: RemoveNode, caller: Caller): Promise<Accepted> {
    const { node } = data;
    const command = { type: 'remove', data } as const;
    const sequence = await this.change(nodeAggregate, node, command, caller);
    const { state } = await load(this.log, nodeAggregate, node);
    if (state.situation === 'removed') {
      const { segment } = state.enrolment;
      const commandId = `${caller.commandId}/segment`;
      const leave = { type: 'leave', node } as const;
      await this.change(segmentAggregate, segment, leave, { ...caller, commandId });
    }
    return { id: node, sequence };
  }

  /** @returns the sequence of the last event; 0: nothing has changed */
  private async change<State, Command>(
    aggregate: Aggregate<State, Command>,
    id: string,
    command: Command,
    caller: Caller,
  ): Promise<number> {
    const context = commandContext(caller, caller.commandId);
    const nowMs = this.clock.nowMs();
    const events = await execute(this.log, aggregate, id, command, context, nowMs);
    const sequence = events.at(-1)?.sequence ?? 0;
    await this.view.reaches(sequence);
    return sequence;
  }
}
