import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import pg from 'pg';
import { Webhook } from 'standardwebhooks';
import { subjects } from '#libs/contracts/index.js';
import { ControlPlane, type Published } from '#test/support/control-plane.js';
import { type TestNats, type TestPostgres, withNats, withPostgres } from '#test/support/servers.js';
import { until } from '#test/support/until.js';
import { commandsIn } from './readme-commands.js';

const timeoutMs = 180_000;
const inboundSecret = `whsec_${Buffer.from('a secret of the build server').toString('base64')}`;

interface Run {
  readonly runId: string;
  readonly job: string;
  readonly status: string;
}

describe('operating a control plane on servers of its own', () => {
  let nats: TestNats;
  let postgres: TestPostgres;
  let plane: ControlPlane;
  let staging: string;
  let receiver: Server;
  const received: { id: string; type: string }[] = [];

  beforeAll(async () => {
    [nats, postgres] = [await withNats(), await withPostgres()];
    const env = {
      ...{ NATS_URL: nats.url, NATS_USER: nats.user, NATS_PASSWORD: nats.password },
      ...{ NATS_AGENT_USER: nats.user, NATS_AGENT_PASSWORD: nats.password },
      ...{ ESPALIER_NATS_MONITOR_URL: nats.monitorUrl, DATABASE_URL: postgres.url },
      ESPALIER_INBOUND_WEBHOOK_SECRETS: inboundSecret,
    };
    plane = await ControlPlane.start({ segments: 1, nodes: 2, env });
    staging = await plane.createSite('www');
    stage('first');
    receiver = createServer((request, response) => {
      const id = String(request.headers['webhook-id']);
      let body = '';
      request
        .on('data', (chunk) => (body += chunk))
        .on('end', () => {
          received.push({ id, type: JSON.parse(body).type });
          response.end();
        });
    }).listen(0, '127.0.0.1');
  }, timeoutMs);
  afterAll(async () => {
    receiver?.close();
    await plane?.close();
    await postgres?.stop();
    await nats?.stop();
  }, timeoutMs);

  const stage = (text: string) => writeFileSync(join(staging, 'index.html'), text);
  /** The job of the README, or a repair, may be under way: the run waits for it. */
  const publish = () => plane.json<Published>('publish', 'www', '--on-conflict', 'queue', '--wait');
  const runs = async () => (await plane.json<{ runs: Run[] }>('get', 'runs')).runs;
  const live = (node: string) => readFileSync(join(plane.live(node, 'www'), 'index.html'), 'utf8');

  test(
    'the commands of the README run as they are written there',
    async () => {
      const { runId } = await publish();
      const [first] = await plane.events();
      const hook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
      writeFileSync(
        join(plane.directory, 'fleet.yaml'),
        `kind: Site\nname: www\nspec: {staging: ${staging}}\n`,
      );
      const places = {
        ID: runId,
        DIR: join(plane.directory, 'exported'),
        FILE: join(plane.directory, 'audit.archive'),
        PLACE: '1',
        '1200': String((await plane.events()).length),
        'fleet.yaml': join(plane.directory, 'fleet.yaml'),
        'https://ci.example/hook': hook,
        '2026-01-31T12:00:00Z': first?.time ?? '',
      };
      const commands = commandsIn('README.md', ['Schedule', 'Integrate', 'Audit'], places);
      expect(commands.length).toBeGreaterThan(20);
      for (const args of commands) {
        if (args.includes('--follow')) continue;
        const { code, stderr } = await plane.cli(...args);
        expect([args.join(' '), code, code === 0 ? '' : stderr]).toEqual([args.join(' '), 0, '']);
      }
      const audited = await plane.cli('audit', 'verify', places.FILE);
      expect(audited.stdout).toMatch(/^sound: \d+ events/);
    },
    timeoutMs,
  );

  test(
    'a file changes a site: the next run takes what it says',
    async () => {
      const path = join(plane.directory, 'site.yaml');
      const rules = "filters: [{pattern: '*.tmp'}]\n  policy: {keptVersions: 4}\n";
      const spec = `staging: ${staging}\n  ${rules}`;
      writeFileSync(path, `kind: Site\nname: www\nspec:\n  ${spec}`);
      writeFileSync(join(staging, 'notes.tmp'), 'not for servers');
      stage('second');
      const change = { path: 'filters[0].pattern', from: '', to: '*.tmp' };
      const said = await plane.json<{ objects: { action: string; changes: object[] }[] }>(
        'apply',
        '-f',
        path,
      );
      expect(said.objects[0]).toMatchObject({ action: 'changed' });
      expect(said.objects[0]?.changes).toContainEqual(change);
      expect(await plane.json('apply', '-f', path)).toMatchObject({
        objects: [{ action: 'unchanged', changes: [] }],
      });
      expect((await publish()).status).toBe('completed');
      const node = plane.nodes[0] ?? '';
      expect(live(node)).toBe('second');
      expect(() => readFileSync(join(plane.live(node, 'www'), 'notes.tmp'))).toThrow('ENOENT');
    },
    timeoutMs,
  );

  test(
    'events from outside begin a job once for each id, and only when they are signed',
    async () => {
      await plane.json('job', 'create', 'built', '--site', 'www', '--on-event', 'build.done');
      const body = JSON.stringify({ type: 'build.done' });
      const post = async (id: string, secret: string) => {
        const at = new Date();
        const headers = {
          'content-type': 'application/json',
          'webhook-id': id,
          'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
          'webhook-signature': new Webhook(secret).sign(id, at, body),
        };
        const url = `${plane.url}/api/v1/outside-events`;
        return (await fetch(url, { method: 'POST', headers, body })).status;
      };
      const foreign = `whsec_${Buffer.from('somebody else').toString('base64')}`;
      expect(await post('build-1', foreign)).toBe(401);
      const answers = await Promise.all([1, 2, 3].map(() => post('build-1', inboundSecret)));
      expect(answers).toEqual([202, 202, 202]);
      expect(await post('build-2', inboundSecret)).toBe(202);
      expect(await post('build-2', inboundSecret)).toBe(202);
      expect((await runs()).filter(({ job }) => job === 'built')).toHaveLength(2);
      await plane.json('job', 'delete', 'built');
    },
    timeoutMs,
  );

  test(
    'a webhook is posted, and posted again when it is asked for',
    async () => {
      const hook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
      await plane.json('webhook', 'create', 'ci', '--to', hook, '--type', 'RunCompleted');
      received.length = 0;
      stage('third');
      const { runId } = await publish();
      const ended = (await plane.events()).find(({ type, correlationid }) => {
        return type.endsWith('.RunCompleted') && correlationid === runId;
      });
      // Runs from before may end meanwhile, and are posted too.
      const posted = () => received.filter(({ id }) => id === ended?.id);
      await until('it was posted', () => posted().length === 1);
      expect(posted()[0]).toEqual({ id: ended?.id, type: ended?.type });
      const after = String(Number(ended?.sequence) - 1);
      await plane.json('webhook', 'resend', 'ci', '--after', after);
      await until('it was posted again', () => posted().length === 2);
      expect(posted()[1]).toEqual(posted()[0]);
      await plane.json('webhook', 'delete', 'ci');
    },
    timeoutMs,
  );

  test(
    'an event that nobody can read waits as a dead letter, is shown, and is tried again',
    async () => {
      const connection = await connect({ servers: nats.url, user: nats.user, pass: nats.password });
      const subject = subjects.aggregate({ type: 'group', id: 'poison' });
      const stored = {
        ...{ specversion: '1.0', id: 'poison-1', source: '/espalier/group', subject: 'poison' },
        ...{ type: 'espalier.v1.GroupCreated', time: '2026-01-01T00:00:00.000Z', actor: 'test' },
        ...{ data: { group: 5 }, correlationid: 'poison', causationid: 'poison' },
        ...{ aggregatetype: 'group', aggregateversion: 1 },
      };
      await jetstream(connection).publish(subject, JSON.stringify(stored));
      await connection.close();
      const letters = await until('it waits', async () => {
        const listed = await plane.json<{ deadLetters: Record<string, string>[] }>('dlq', 'list');
        return listed.deadLetters.length > 1 && listed.deadLetters;
      });
      expect(letters.map(({ aggregate }) => aggregate)).toContain('group.poison');
      for (const { consumer = '', aggregate = '' } of letters) {
        const { stdout } = await plane.cli('dlq', 'show', consumer, aggregate);
        expect(stdout).toContain('"group":5');
        const retried = await plane.cli('dlq', 'retry', consumer, aggregate);
        expect(retried).toMatchObject({
          code: 1,
          stdout: expect.stringMatching(/it fails again: /),
        });
      }
      stage('fourth');
      expect((await publish()).status).toBe('completed');
    },
    timeoutMs,
  );

  test(
    'while NATS is away commands are refused, reports are kept, and all goes on after',
    async () => {
      // It would publish what is staged here before the command below does.
      await plane.json('job', 'pause', 'live');
      stage('fifth');
      // So large that it is under way for a while.
      writeFileSync(join(staging, 'large.bin'), randomBytes(48 * 2 ** 20));
      const before = (await plane.events()).at(-1)?.sequence ?? 0;
      const { runId } = await plane.json<{ runId: string }>('publish', 'www');
      await plane.untilEvent('LeaderNotified', before);
      await nats.kill();
      const spools = plane.nodes.map((node) => join(plane.root(node), 'spool', 'reports'));
      const spooled = () => spools.flatMap((path) => (existsSync(path) ? readdirSync(path) : []));
      const kept = await until('the leader keeps its reports', () => {
        const found = spooled().filter((name) => !name.endsWith('.new'));
        return found.length > 0 && found;
      });
      const refused = await plane.cli('publish', 'www');
      expect({ code: refused.code, stdout: refused.stdout }).toEqual({ code: 1, stdout: '' });
      expect(refused.stderr).toContain('NATS cannot be reached: nothing was asked for');
      expect((await fetch(`${plane.url}/readyz`)).status).toBe(503);
      expect(spooled()).toEqual(expect.arrayContaining(kept));
      await nats.restart();
      await until(
        'the run ends',
        async () => {
          return (await runs()).find((run) => run.runId === runId)?.status === 'completed';
        },
        { timeoutMs: 60_000 },
      );
      for (const node of plane.nodes) expect(live(node)).toBe('fifth');
      await until('nothing waits', () => spooled().length === 0);
    },
    timeoutMs,
  );

  test(
    'an emptied PostgreSQL is built again from the log, and no effect is repeated',
    async () => {
      const [before, events] = [await runs(), (await plane.events()).length];
      const versions = plane.nodes.map((node) => plane.live(node, 'www'));
      await plane.kill('SIGTERM');
      const database = new pg.Client({ connectionString: postgres.url });
      await database.connect();
      await database.query('drop schema public cascade; create schema public');
      await database.end();
      await plane.restart();
      const again = await until('the runs are there', async () => {
        const found = await runs();
        return found.length === before.length && found;
      });
      expect(again).toEqual(before);
      const happened = (await plane.events(events)).map(({ type }) => type.split('.').at(-1));
      expect(
        happened.filter((type) => type !== 'SegmentChanged' && type !== 'LinksMeasured'),
      ).toEqual([]);
      expect(plane.nodes.map((node) => plane.live(node, 'www'))).toEqual(versions);
      expect((await plane.cli('audit', 'verify')).stdout).toMatch(/^sound: /);
    },
    timeoutMs,
  );
});
