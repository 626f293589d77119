import { describe, expect, it } from '@jest/globals';
import type { NatsConnection } from '@nats-io/nats-core';
import { checkServerVersion, isAtLeast, UnsupportedServer, whyLazy } from './server-checks.js';

const serverOf = (version: string, jetstream = true) =>
  ({ info: { version, jetstream } }) as unknown as NatsConnection;

describe('checks of the NATS server', () => {
  it.each(['2.9.10', '2.10.26', '1.4.1', 'unknown'])('refuses version %s', (version) => {
    expect(() => checkServerVersion(serverOf(version))).toThrow(UnsupportedServer);
  });

  it.each(['2.10.27', '2.11.0-dev', '2.15.1', '3.0.0'])('accepts version %s', (version) => {
    expect(checkServerVersion(serverOf(version))).toBe(version);
  });

  it('refuses a server without JetStream, and says what to do', () => {
    const check = () => checkServerVersion(serverOf('2.15.1', false));
    expect(check).toThrow('without JetStream');
    expect(check).toThrow(
      expect.objectContaining({ remedy: expect.stringContaining('jetstream') }),
    );
  });

  it('compares versions by number, not by letter', () => {
    expect(isAtLeast('2.9.0', [2, 11, 0])).toBe(false);
    expect(isAtLeast('2.11.0', [2, 11, 0])).toBe(true);
  });

  it('says why it cannot know whether the server syncs', async () => {
    expect(await whyLazy(undefined)).toContain('not known');
    expect(await whyLazy('http://127.0.0.1:1')).toContain('does not answer');
  });
});
