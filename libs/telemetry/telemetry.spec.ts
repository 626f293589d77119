import { describe, expect, it } from '@jest/globals';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { jsonLogger, reasonOf } from './logger.js';
import { currentTraceparent, inSpanOf, newTraceparent } from './trace-context.js';

describe('logger', () => {
  it('writes one JSON object per message, with the fields of its logger', () => {
    const lines: string[] = [];
    const logger = jsonLogger((line) => lines.push(line), new VirtualClock(1000));
    logger.with({ service: 'delta' }).warn('slow\ndisk', { bytes: 5n });
    expect(lines).toEqual([
      '{"time":"1970-01-01T00:00:01.000Z","level":"warn","message":"slow\\ndisk",' +
        '"service":"delta","bytes":"5"}\n',
    ]);
  });

  it('leaves out what is below its level', () => {
    const lines: string[] = [];
    const logger = jsonLogger((line) => lines.push(line), new VirtualClock(), 'warn');
    logger.info('not this');
    logger.error('this', { error: new RangeError('too far') });
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] as string).error).toMatchObject({
      name: 'RangeError',
      message: 'too far',
    });
  });

  it('gives a reason for anything thrown', () => {
    expect(reasonOf(new RangeError('too far'))).toBe('RangeError: too far');
    expect(reasonOf('just text')).toBe('just text');
  });
});

describe('trace context', () => {
  it('begins traces of different identity in the W3C form', () => {
    expect(newTraceparent()).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(newTraceparent()).not.toBe(newTraceparent());
  });

  it('passes results and errors on where no tracing is set up', async () => {
    expect(currentTraceparent()).toBeUndefined();
    expect(await inSpanOf(newTraceparent(), 'work', {}, async () => 7)).toBe(7);
    const failing = inSpanOf(undefined, 'work', {}, async () => {
      throw new Error('failed');
    });
    await expect(failing).rejects.toThrow('failed');
  });
});
