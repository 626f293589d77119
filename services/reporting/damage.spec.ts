import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { event } from '#libs/contracts/index.js';
import { OwnReporting } from '#test/support/own-reporting.js';
import { flipBit, removeIndex } from '#test/support/stream-damage.js';
import { until } from '#test/support/until.js';
import { ReplaceNeeded, restoreLog, ServicesRunning } from './adapters/restore-log.js';

const timeoutMs = 60_000;
let own: OwnReporting;

beforeAll(async () => {
  own = await OwnReporting.start();
}, timeoutMs);
afterAll(() => own.close(), timeoutMs);

const append = (site: string) => own.append(event('SiteCreated', { site }), site);

describe('a bit flipped in the stream', () => {
  it('is found by audit verify and readyz, which name the event', async () => {
    for (const site of ['before', 'with-a-name-to-find', 'after']) await append(site);
    expect(await own.verify()).toMatchObject({ sound: true });
    await own.natsServer.stop();
    flipBit(own.directory, 'with-a-name-to-find');
    await own.natsServer.start();
    const verdict = await until('it is found', async () => {
      const found = await own.verify();
      return !found.sound && found;
    });
    expect(verdict.firstBadSequence).toBe(2n);
    expect(await own.reasons()).toContain('the log is damaged at event 2: ');
    expect(await own.ready()).toBe(503);
  }, 150_000);

  it(
    'is found at once where the server cut the log off there',
    async () => {
      await own.stopService();
      await own.natsServer.stop('SIGKILL');
      removeIndex(own.directory);
      await own.natsServer.start();
      await own.startService();
      await until('it is told', async () => /the log ends at event 1, /.test(await own.reasons()));
      expect(await append('later')).toBe(2);
      expect(await own.verify()).toMatchObject({ sound: false, firstBadSequence: 2n });
      expect(await own.ready()).toBe(503);
    },
    timeoutMs,
  );
});

describe('a restore from the second copy', () => {
  const restore = (options = {}) =>
    restoreLog(own.config, { replace: false, dryRun: false, ...options });
  const sites = async () => {
    const found: string[] = [];
    for await (const { aggregate } of own.log.replay({ afterSequence: 0 })) {
      found.push(aggregate.id);
    }
    return found;
  };

  it('is refused while services run', async () => {
    await expect(restore()).rejects.toThrow(ServicesRunning);
  }, 20_000);

  it(
    'says what it would do, puts aside what the log had instead, and has readers go on',
    async () => {
      await own.stopService();
      const plan = { kind: 'replace', last: 2, head: 3, firstBad: 2, others: 1 };
      expect(await restore({ dryRun: true })).toMatchObject({ ...plan, written: 0 });
      await expect(restore()).rejects.toThrow(ReplaceNeeded);
      expect(await sites()).toEqual(['before', 'later']);
      const before = await own.positions();
      const restored = await restore({ replace: true });
      expect(restored).toMatchObject({ ...plan, written: 3 });
      expect(gunzipSync(readFileSync(join(own.directory, restored.keptIn))).toString()).toContain(
        'later',
      );
      expect(await sites()).toEqual(['before', 'with-a-name-to-find', 'after']);
      expect(await own.positions()).toEqual(before);
      await own.startService();
      expect(await append('new')).toBe(4);
      expect(await own.verify()).toMatchObject({ sound: true, events: 4 });
      await until('it is ready', async () => (await own.ready()) === 200);
    },
    timeoutMs,
  );

  it(
    'brings back a stream that is gone',
    async () => {
      await own.stopService();
      expect(await restore()).toMatchObject({ kind: 'sound', written: 0 });
      await (await jetstreamManager(own.nats)).streams.delete('EVENTS');
      expect(await restore()).toMatchObject({ kind: 'append', firstBad: 1, written: 4 });
      await own.startService();
      expect(await append('newest')).toBe(5);
      expect(await own.verify()).toMatchObject({ sound: true, events: 5 });
    },
    timeoutMs,
  );

  it(
    'does not trust a copy that was changed',
    async () => {
      await own.stopService();
      await own.sql(`update event_copy set body = body || ' ' where sequence = 2`);
      await expect(restore()).rejects.toThrow(/not sound at event 2: its hash/);
      await own.startService();
    },
    timeoutMs,
  );
});
