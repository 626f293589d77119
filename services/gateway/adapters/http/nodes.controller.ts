import { Body, Controller, HttpCode, Inject, Param, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Clock } from '#libs/clock/clock.js';
import { RemoveNodeSchema } from '#libs/contracts/index.js';
import type { ControlKeys } from '#libs/keys/key-provider.js';
import { ServiceClient } from '#libs/nest-jetstream/service-client.js';
import { CLOCK } from '#libs/nest-jetstream/tokens.js';
import { rotateAfterRemoval } from '../../app/enrolment.js';
import { parseBody } from '../../app/json.js';
import { Roster } from '../../app/roster.js';
import { CONTROL_KEYS } from '../../tokens.js';
import { callerOf } from './caller.js';

/** Servers of the fleet. */
@Controller('api/v1/nodes')
export class NodesController {
  constructor(
    @Inject(ServiceClient) private readonly services: ServiceClient,
    @Inject(Roster) private readonly roster: Roster,
    @Inject(CONTROL_KEYS) private readonly keys: ControlKeys,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Its segment gets a key that it has never seen: a repetition makes up for one missed. */
  @Post(':node/remove')
  @HttpCode(202)
  async remove(@Param('node') node: string, @Body() body: unknown, @Req() http: FastifyRequest) {
    const command = { ...parseBody(RemoveNodeSchema, body ?? {}), node };
    const segment = await this.roster.segmentOf(node);
    const what = ['tree-planner', 'RemoveNode', RemoveNodeSchema] as const;
    const accepted = await this.services.command(...what, command, callerOf(http));
    if (segment) await rotateAfterRemoval(this.keys, segment, this.clock.nowMs());
    return accepted;
  }
}
