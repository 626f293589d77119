import { Body, Controller, HttpCode, Inject, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Clock } from '#libs/clock/clock.js';
import {
  EnrolNodeSchema,
  EnrolReplySchema,
  EnrolRequestSchema,
  ExpectedQuerySchema,
  ExpectedVersionsSchema,
  type LiveVersion,
  subjects,
} from '#libs/contracts/index.js';
import type { ControlKeys } from '#libs/keys/key-provider.js';
import { ServiceClient } from '#libs/nest-jetstream/service-client.js';
import { CLOCK } from '#libs/nest-jetstream/tokens.js';
import { type AgentNatsAccess, enrol } from '../../app/enrolment.js';
import { parseBody, replyJson } from '../../app/json.js';
import { Roster } from '../../app/roster.js';
import { AGENT_NATS_ACCESS, CONTROL_KEYS } from '../../tokens.js';
import { callerOf } from './caller.js';

/** Where new agents come with their join token. */
@Controller('api/v1/enrol')
export class EnrolmentController {
  constructor(
    @Inject(ServiceClient) private readonly services: ServiceClient,
    @Inject(CONTROL_KEYS) private readonly keys: ControlKeys,
    @Inject(AGENT_NATS_ACCESS) private readonly access: AgentNatsAccess,
    @Inject(Roster) private readonly roster: Roster,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Post()
  @HttpCode(200)
  async enrol(@Body() body: unknown, @Req() http: FastifyRequest) {
    const request = parseBody(EnrolRequestSchema, body);
    const caller = { ...callerOf(http), actor: `agent:${request.node}` };
    let enrolledAt = 0;
    const reply = await enrol(request, {
      keys: this.keys,
      access: this.access,
      record: async (command) => {
        const message = [EnrolNodeSchema, command ?? {}] as const;
        const done = await this.services.command('tree-planner', 'EnrolNode', ...message, caller);
        enrolledAt = done.sequence;
      },
      peersOf: (segment) => this.roster.peersOf(segment),
      expectedOf: (node) => this.expectedOf(node, enrolledAt),
      nowMs: () => this.clock.nowMs(),
    });
    return replyJson(EnrolReplySchema, reply);
  }

  /** Nothing while the scheduler does not answer: no agent waits for it. */
  private async expectedOf(node: string, enrolledAt: number): Promise<LiveVersion[]> {
    const subject = subjects.command('scheduler', 'ExpectedVersions');
    const query = { node, atSequence: BigInt(enrolledAt) };
    try {
      const { versions } = await this.services.request(
        ...([subject, ExpectedQuerySchema, ExpectedVersionsSchema, query] as const),
        expectedTimeoutMs,
      );
      return versions;
    } catch {
      return [];
    }
  }
}

const expectedTimeoutMs = 2_000;
