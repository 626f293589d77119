import { describe, expect, it } from '@jest/globals';
import { fastTimings, standardTimings } from '#libs/election/timings.js';
import { agentConfig, BadAgentOption } from './config.js';

const given = ['--segment', 'paris', '--name', 'p1', '--root', '/srv', '--control', 'http://c:1/'];

describe("the agent's options", () => {
  it('have defaults for what is not given', () => {
    expect(agentConfig(given, { ESPALIER_JOIN_TOKEN: 'token' })).toMatchObject({
      segment: 'paris',
      node: 'p1',
      root: '/srv',
      controlUrl: 'http://c:1',
      joinToken: 'token',
      timings: standardTimings,
      votingFactor: 1,
      labels: {},
    });
  });

  it('have a staging role only with the token that admits it', () => {
    const staging = [...given, '--staging', 'www=/srv/www', '--staging', 'app=/srv/app'];
    const config = agentConfig(staging, { ESPALIER_STAGING_TOKEN: 'espt_x' });
    expect(config).toMatchObject({
      staging: { www: '/srv/www', app: '/srv/app' },
      stagingToken: 'espt_x',
    });
    expect(() => agentConfig(staging, {})).toThrow('--staging-token-file');
    expect(agentConfig(given, {})).toMatchObject({ staging: {}, stagingToken: '' });
  });

  it('take timings of a preset, and single ones instead', () => {
    const options = ['--timings', 'fast', '--timing', 'heartbeatMs=500', '--timing', 'quietMs=50'];
    expect(agentConfig([...given, ...options], {}).timings).toEqual({
      ...fastTimings,
      registration: { ...fastTimings.registration, heartbeatMs: 500, quietMs: 50 },
    });
  });

  it('take labels', () => {
    const labels = ['--label', 'tier=web', '--label', 'note=a=b'];
    expect(agentConfig([...given, ...labels], {}).labels).toEqual({ tier: 'web', note: 'a=b' });
  });

  it.each([
    ['a missing name', given.filter((text) => text !== '--name' && text !== 'p1'), '--name'],
    ['a label without value', [...given, '--label', 'tier'], '--label tier'],
    ['unknown timings', [...given, '--timings', 'slow'], '--timings slow'],
    ['an unknown timing', [...given, '--timing', 'voteMs=5'], '--timing voteMs'],
    ['a timing that is too short', [...given, '--timing', 'silenceLimitMs=1'], 'silenceLimitMs=1'],
    ['a voting factor below 0', [...given, '--voting-factor', '-1'], '--voting-factor'],
    ['half a voting factor', [...given, '--voting-factor', '1.5'], '--voting-factor 1.5'],
    ['an unknown option', [...given, '--nonsense'], '--nonsense'],
    ['a join token that cannot be read', [...given, '--join-token-file', '/no/file'], '/no/file'],
  ])('are refused for %s, naming it', (_, args, named) => {
    expect(() => agentConfig(args, {})).toThrow(BadAgentOption);
    expect(() => agentConfig(args, {})).toThrow(named);
  });
});
