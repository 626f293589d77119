import type { Clock } from '#libs/clock/clock.js';
import type { EnrolNode } from '#libs/contracts/index.js';
import { execute } from '#libs/event-log/aggregate.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { type Caller, commandContext } from '#libs/nest-jetstream/context.js';
import { nodeAggregate } from '../domain/node.js';
import type { View } from './ports.js';

/** Makes nodes known. */
export class EnrolmentService {
  constructor(
    private readonly log: EventLog,
    private readonly view: View,
    private readonly clock: Clock,
  ) {}

  /**
   * Resolves when reports of the node are accepted.
   * @throws InvalidNode, InvalidPublicKey, NodeIdentityTaken
   */
  async enrol(command: EnrolNode, caller: Caller): Promise<{ id: string; sequence: number }> {
    const { node } = command;
    const context = commandContext(caller, caller.commandId);
    const nowMs = this.clock.nowMs();
    const events = await execute(this.log, nodeAggregate, node, command, context, nowMs);
    const sequence = events.at(-1)?.sequence ?? 0;
    await this.view.reaches(sequence);
    return { id: node, sequence };
  }
}
