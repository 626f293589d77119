import { describe, expect, it } from '@jest/globals';
import { BadConfiguration, configFromEnvironment } from './service-config.js';

describe('configuration from the environment', () => {
  it('needs nothing', () => {
    expect(configFromEnvironment({})).toEqual({
      natsUrl: 'nats://127.0.0.1:4222',
      httpHost: '127.0.0.1',
      dataDir: 'espalier-data',
      allowLazySync: false,
    });
  });

  it('takes what is set', () => {
    const config = configFromEnvironment({
      NATS_URL: 'nats://a:1',
      NATS_USER: 'u',
      NATS_PASSWORD: 'p',
      ESPALIER_NATS_MONITOR_URL: 'http://a:2',
      ESPALIER_NATS_REPLICAS: '3',
      DATABASE_URL: 'postgres://b',
      ESPALIER_HTTP_HOST: '0.0.0.0',
      ESPALIER_HTTP_PORT: '0',
      ESPALIER_DATA_DIR: '/data',
      ESPALIER_ALLOW_LAZY_SYNC: 'true',
    });
    expect(config).toEqual({
      natsUrl: 'nats://a:1',
      natsUser: 'u',
      natsPassword: 'p',
      natsMonitorUrl: 'http://a:2',
      natsReplicas: 3,
      databaseUrl: 'postgres://b',
      httpHost: '0.0.0.0',
      httpPort: 0,
      dataDir: '/data',
      allowLazySync: true,
    });
  });

  it.each([{ ESPALIER_HTTP_PORT: 'http' }, { ESPALIER_ALLOW_LAZY_SYNC: 'maybe' }])(
    'refuses what makes no sense: %j',
    (env) => {
      expect(() => configFromEnvironment(env)).toThrow(BadConfiguration);
    },
  );
});
