import type { ServiceConfig } from '#libs/nest-jetstream/service.js';
import { type LinkLimits, linkLimitsIn } from '#libs/tree/link-limits.js';
import type { AgentNatsAccess } from './app/enrolment.js';

/**
 * What enrolled agents are given: `ESPALIER_AGENT_NATS_URL`; it defaults to the services' own. They
 * sign in by their keys, unless `ESPALIER_AGENT_NATS_USER` and `ESPALIER_AGENT_NATS_PASSWORD` name
 * a user that all share. For networks that let
 * nothing else through `ESPALIER_AGENT_NATS_WEBSOCKET_URL`; and `ESPALIER_AGENT_URL`, where they
 * reach the gateway's HTTPS.
 */
export function agentNatsAccess(config: ServiceConfig, env: NodeJS.ProcessEnv): AgentNatsAccess {
  return {
    url: env.ESPALIER_AGENT_NATS_URL || config.natsUrl,
    user: env.ESPALIER_AGENT_NATS_USER ?? '',
    password: env.ESPALIER_AGENT_NATS_PASSWORD ?? '',
    websocketUrl: env.ESPALIER_AGENT_NATS_WEBSOCKET_URL ?? '',
    agentUrl: (env.ESPALIER_AGENT_URL ?? '').replace(/\/+$/, ''),
  };
}

/** The services' NATS account, in which agents are let in too. */
export function natsAccount(env: NodeJS.ProcessEnv): string {
  return env.ESPALIER_NATS_ACCOUNT || '$G';
}

/** The port of the HTTPS listener for agents, `ESPALIER_AGENT_HTTPS_PORT`; undefined: none. */
export function agentHttpsPort(env: NodeJS.ProcessEnv): number | undefined {
  const text = env.ESPALIER_AGENT_HTTPS_PORT;
  return text ? Number(text) : undefined;
}

/** What this host may send to leaders, e.g. `100mbit,08:00-18:00=20mbit`. @throws BadLinkLimit */
export function uplinkLimits(env: NodeJS.ProcessEnv): LinkLimits {
  return linkLimitsIn(env.ESPALIER_UPLINK ?? 'none');
}

/**
 * The secrets that other systems sign their events with, `whsec_...`, separated by commas:
 * `ESPALIER_INBOUND_WEBHOOK_SECRETS`. Several, so that they can be changed one after the other.
 */
export function inboundSecrets(env: NodeJS.ProcessEnv): string[] {
  return (env.ESPALIER_INBOUND_WEBHOOK_SECRETS ?? '').split(',').filter((secret) => secret !== '');
}
