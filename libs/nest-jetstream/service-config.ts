/** Where a service finds what it needs. */
export interface ServiceConfig {
  readonly natsUrl: string;
  readonly natsUser?: string;
  readonly natsPassword?: string;
  /** nats-server's HTTP monitoring, `http://127.0.0.1:8222`; proves `sync_interval: always`. */
  readonly natsMonitorUrl?: string;
  /** Copies of each stream in a NATS cluster; 1 unless given. */
  readonly natsReplicas?: number;
  readonly databaseUrl?: string;
  readonly httpHost: string;
  /** 0: any free port; undefined: no listener. */
  readonly httpPort?: number;
  readonly dataDir: string;
  /** Accepts a NATS server that acknowledges before it has written to disk. */
  readonly allowLazySync: boolean;
}

/** Thrown for an environment that makes no configuration. */
export class BadConfiguration extends Error {
  override readonly name = 'BadConfiguration';
}

/** @throws BadConfiguration */
export function configFromEnvironment(env: NodeJS.ProcessEnv): ServiceConfig {
  return {
    natsUrl: env.NATS_URL || 'nats://127.0.0.1:4222',
    ...optional('natsUser', env.NATS_USER),
    ...optional('natsPassword', env.NATS_PASSWORD),
    ...optional('natsMonitorUrl', env.ESPALIER_NATS_MONITOR_URL),
    ...optional('natsReplicas', wholeNumber('ESPALIER_NATS_REPLICAS', env)),
    ...optional('databaseUrl', env.DATABASE_URL),
    httpHost: env.ESPALIER_HTTP_HOST || '127.0.0.1',
    ...optional('httpPort', wholeNumber('ESPALIER_HTTP_PORT', env)),
    dataDir: env.ESPALIER_DATA_DIR || 'espalier-data',
    allowLazySync: flag('ESPALIER_ALLOW_LAZY_SYNC', env),
  };
}

function optional<K extends keyof ServiceConfig>(
  key: K,
  value: ServiceConfig[K] | undefined,
): Partial<Pick<ServiceConfig, K>> {
  if (value === undefined || value === '') return {};
  return { [key]: value } as Partial<Pick<ServiceConfig, K>>;
}

function wholeNumber(name: string, env: NodeJS.ProcessEnv): number | undefined {
  const text = env[name];
  if (!text) return undefined;
  if (!/^\d{1,5}$/.test(text)) {
    throw new BadConfiguration(`${name} is ${text}; give a number`);
  }
  return Number(text);
}

function flag(name: string, env: NodeJS.ProcessEnv): boolean {
  const text = env[name] ?? '';
  if (['1', 'true', 'yes'].includes(text)) return true;
  if (['', '0', 'false', 'no'].includes(text)) return false;
  throw new BadConfiguration(`${name} is ${text}; give true or false`);
}
