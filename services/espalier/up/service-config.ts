import type { EmbeddedServers } from '#deploy/embedded/embedded-servers.js';
import type { ServiceConfig } from '#libs/nest-jetstream/service-config.js';

/** Where services on this host find the servers that were started for them. */
export function serviceConfig(
  { nats, postgres }: Pick<EmbeddedServers, 'nats' | 'postgres'>,
  dataDir: string,
): ServiceConfig {
  return {
    natsUrl: nats.url,
    ...(nats.user ? { natsUser: nats.user } : {}),
    ...(nats.password ? { natsPassword: nats.password } : {}),
    ...(nats.monitorUrl ? { natsMonitorUrl: nats.monitorUrl } : {}),
    databaseUrl: postgres.url,
    httpHost: '127.0.0.1',
    dataDir,
    allowLazySync: process.env.ESPALIER_ALLOW_LAZY_SYNC === 'true',
  };
}
