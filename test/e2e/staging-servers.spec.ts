import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Child, espalier } from '#test/support/child.js';
import { ControlPlane } from '#test/support/control-plane.js';
import { treeOf } from '#test/support/trees.js';
import { until } from '#test/support/until.js';

const timeoutMs = 120_000;

let plane: ControlPlane;
let hosts: Record<'build' | 'media', string>;
let env: NodeJS.ProcessEnv;
let agent: Child;
let media: Child;

/** Content on two other hosts: an agent in its staging role, and a staging server without one. */
beforeAll(async () => {
  const patience = { ESPALIER_STAGING_WAIT_SECONDS: '2', ESPALIER_REPAIR_DELAY_MS: '0' };
  plane = await ControlPlane.start({ segments: 1, nodes: 1, env: patience });
  const key = (name: string) => readFileSync(join(plane.dataDir, 'keys', name), 'utf8').trim();
  env = {
    ESPALIER_JOIN_TOKEN: key('join-token'),
    ESPALIER_STAGING_TOKEN: key('staging-token'),
    ESPALIER_URL: plane.url,
  };
  hosts = { build: join(plane.directory, 'build'), media: join(plane.directory, 'media') };
  mkdirSync(join(hosts.build, 'css'), { recursive: true });
  mkdirSync(hosts.media);
  writeFileSync(join(hosts.build, 'css', 'main.css'), 'body {}');
  writeFileSync(join(hosts.build, 'draft.tmp'), 'not yet');
  writeFileSync(join(hosts.media, 'launch.mp4'), Buffer.alloc(3_000_000, 'film'));
  const root = join(plane.directory, 'agent');
  const authority = join(plane.dataDir, 'keys', 'tls-authority.pem');
  const control = ['--control', plane.agentUrl, '--control-ca', authority];
  const who = ['--segment', 'builders', '--name', 'build', '--root', root, '--timings', 'fast'];
  agent = espalier(['agent', ...who, ...control, '--staging', `www=${hosts.build}`], env);
  media = serveMedia();
  const servers = ['--staging-server', 'build', 'media=video', '--exclude', '*.tmp'];
  // Assignments are sealed, but for films: all that follows is the same.
  const sealed = ['--encrypt', '--never-encrypt', '.MP4'];
  await plane.json('site', 'create', 'www', ...servers, ...sealed);
  const [node = ''] = plane.nodes;
  await plane.json('group', 'create', 'www', '--site', 'www', '--node', node);
  await waits(agent);
  await waits(media);
}, timeoutMs);

afterAll(async () => {
  for (const child of [agent, media]) child?.kill('SIGTERM');
  await agent?.ended;
  await plane?.close();
}, timeoutMs);

const serveMedia = () => espalier(['stage', 'serve', `www=${hosts.media}`, '--name', 'media'], env);

const waits = (child: Child) =>
  until('a staging server waits for runs', () => {
    if (child.output.stderr.includes('waits for runs')) return true;
    throw new Error(child.output.stderr);
  });

async function runsOfWatch() {
  const { runs } = await plane.ask<{ runs: { job: string }[] }>('runs');
  return runs.filter(({ job }) => job === 'watch');
}

const live = () => treeOf(plane.live(plane.nodes[0] ?? '', 'www'));

test(
  'a run takes the trees of other hosts, through the filters, and only what is new of them',
  async () => {
    expect(await plane.publish('www')).toMatchObject({ status: 'completed', reason: '' });
    expect(await plane.json('get', 'sites')).toMatchObject({
      sites: [{ policy: { encryption: 'aes-256-gcm', neverEncrypt: ['.mp4'] } }],
    });
    const video = Object.entries(treeOf(hosts.media)).map(([path, entry]) => [
      `video/${path}`,
      entry,
    ]);
    expect(live()).toMatchObject(Object.fromEntries(video));
    expect(Object.keys(live()).sort()).toEqual([
      ...['css', 'css/main.css', 'video', 'video/launch.mp4'],
    ]);
    writeFileSync(join(hosts.build, 'css', 'main.css'), 'body { color: red }');
    expect((await plane.cli('publish', 'www', '--dry-run')).stdout).toContain('0 new, 1 changed');
    expect(await plane.publish('www')).toMatchObject({ status: 'completed', reason: '' });
    expect(live()['css/main.css']).toEqual(treeOf(hosts.build)['css/main.css']);
    expect(agent.output.stderr).toContain('has www: 19 bytes sent');
    expect(media.output.stderr.match(/has www: \d+ bytes sent/g)).toEqual([
      ...['has www: 3000000 bytes sent', 'has www: 0 bytes sent', 'has www: 0 bytes sent'],
    ]);
  },
  timeoutMs,
);

test(
  'a run says which staging server is away, changes nothing, and goes when it is back',
  async () => {
    media.kill('SIGKILL');
    await media.ended;
    const before = live();
    writeFileSync(join(hosts.build, 'index.html'), 'new');
    const { status, reason } = await plane.publish('www');
    expect(status).toBe('failed');
    expect(reason).toContain('no staging server of video of www answers, not media: start it');
    expect(live()).toEqual(before);
    media = serveMedia();
    await waits(media);
    expect(await plane.publish('www')).toMatchObject({ status: 'completed', reason: '' });
    expect(Object.keys(live())).toContain('index.html');
  },
  timeoutMs,
);

test(
  'a change on any of the hosts starts the job that waits for one, which brings it',
  async () => {
    await plane.json('job', 'create', 'watch', '--site', 'www', '--on-change', '300ms');
    for (const [place, directory] of [
      ['css', join(hosts.build, 'css')],
      ['video', hosts.media],
    ] as const) {
      const known = (await runsOfWatch()).length;
      // The watch begins a moment after the job is made: changes are made until one is seen.
      let number = 0;
      const change = () => {
        if (number++ % 4 === 0) writeFileSync(join(directory, 'change'), `change ${number}`);
      };
      await until(
        `a change of ${place} started the job`,
        async () => {
          change();
          return (await runsOfWatch()).length > known;
        },
        { intervalMs: 300 },
      );
      const latest = readFileSync(join(directory, 'change'), 'utf8');
      await until(`what changed in ${place} is live`, () => {
        const live = readFileSync(join(plane.live(plane.nodes[0] ?? '', 'www'), place, 'change'));
        return live.toString() === latest;
      });
    }
    await plane.json('job', 'delete', 'watch');
    expect((await runsOfWatch())[0]).toMatchObject({ site: 'www', reason: '' });
  },
  timeoutMs,
);
