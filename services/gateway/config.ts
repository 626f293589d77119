import type { ServiceConfig } from '#libs/nest-jetstream/service.js';
import type { AgentNatsAccess } from './app/enrolment.js';

/**
 * What enrolled agents are given: `ESPALIER_AGENT_NATS_URL`, `ESPALIER_AGENT_NATS_USER` and
 * `ESPALIER_AGENT_NATS_PASSWORD`; the URL defaults to the services' own.
 */
export function agentNatsAccess(config: ServiceConfig, env: NodeJS.ProcessEnv): AgentNatsAccess {
  return {
    url: env.ESPALIER_AGENT_NATS_URL || config.natsUrl,
    user: env.ESPALIER_AGENT_NATS_USER ?? '',
    password: env.ESPALIER_AGENT_NATS_PASSWORD ?? '',
  };
}
