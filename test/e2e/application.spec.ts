import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { findFreePort } from '#deploy/embedded/free-port.js';
import { ControlPlane } from '#test/support/control-plane.js';
import { until } from '#test/support/until.js';

const timeoutMs = 120_000;
const example = 'deploy/examples/application';

let plane: ControlPlane;
let staging: string;
let port: number;
let pidFile: string;
let scratch: string;

/** The example, with a restart that needs no service manager, on a free port. */
beforeAll(async () => {
  const env = { ESPALIER_REPAIR_DELAY_MS: '0' };
  plane = await ControlPlane.start({ segments: 1, nodes: 1, env });
  const [node = ''] = plane.nodes;
  port = await findFreePort();
  scratch = mkdtempSync(join(tmpdir(), 'espalier-application-'));
  pidFile = join(scratch, 'orders.pid');
  const restart = join(scratch, 'restart');
  writeFileSync(restart, restartScript(pidFile), { mode: 0o755 });
  const policy = JSON.parse(readFileSync(join(example, 'host.json'), 'utf8'));
  policy.hooks.restart.command = [restart];
  const note = ['/bin/sh', '-c', `echo "$ESPALIER_SITE" >> ${join(scratch, 'notes')}`];
  policy.hooks.note = { command: note };
  policy.sites.orders.probe = { url: `http://127.0.0.1:${port}/health`, timeoutMs: 3_000 };
  writeFileSync(join(plane.root(node), 'host.json'), JSON.stringify(policy));
  staging = await plane.createSite('orders');
  cpSync(join(example, 'tree'), staging, { recursive: true });
  // The policy is read at an agent's start.
  await plane.kill('SIGTERM');
  await plane.restart();
}, timeoutMs);

afterAll(async () => {
  await plane?.close();
  if (existsSync(pidFile)) process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL');
  rmSync(scratch, { recursive: true });
}, timeoutMs);

/** Ends once the program has a session of its own: what is left of a hook's is killed. */
const restartScript = (file: string) => `#!/bin/sh
[ -f ${file} ] && kill "$(cat ${file})"
rm -f ${file}
setsid sh -c 'echo $$ > ${file}; exec "$0" "$1"' ${process.execPath} "$ESPALIER_LIVE/serve" \\
  > /dev/null 2>&1 &
while [ ! -s ${file} ]; do sleep 0.01; done
`;

function configure(greeting: string): void {
  writeFileSync(join(staging, 'app.json'), JSON.stringify({ port, greeting }));
}

const answer = async () => (await fetch(`http://127.0.0.1:${port}/`)).text();

test(
  'a program is started from what was published, and restarted with another configuration',
  async () => {
    configure('hello');
    expect(await plane.publish('orders')).toMatchObject({ status: 'completed', reason: '' });
    expect(await answer()).toBe('hello');
    configure('welcome');
    expect(await plane.publish('orders')).toMatchObject({ status: 'completed', reason: '' });
    expect(await answer()).toBe('welcome');
  },
  timeoutMs,
);

test(
  'one that is not healthy is replaced by the version before it, and the run says so',
  async () => {
    configure('');
    const { runId, status } = await plane.publish('orders');
    expect(status).toBe('failed');
    const { nodes } = await plane.json<Detail>('describe', 'run', runId);
    expect(nodes[0]?.error).toMatch(/SwitchedBack.*not healthy/);
    expect(await answer()).toBe('welcome');
    await until('the site has live again what its server serves', async () => {
      const { versions } = await plane.json<History>('history', 'orders');
      return versions[0]?.treeDigest === versions[2]?.treeDigest;
    });
    configure('better');
    expect(await plane.publish('orders')).toMatchObject({ status: 'completed', reason: '' });
    expect(await answer()).toBe('better');
  },
  timeoutMs,
);

test(
  'a site names the hooks of its servers; one that a server has not is refused as a whole',
  async () => {
    const sites = [
      ['noted', 'note'],
      ['strange', 'absent'],
    ] as const;
    for (const [site, hook] of sites) {
      const path = join(plane.directory, 'staging', site);
      mkdirSync(path, { recursive: true });
      writeFileSync(join(path, 'a'), 'one');
      await plane.json('site', 'create', site, '--staging', path, '--hook', hook);
      await plane.json('group', 'create', site, '--site', site, '--all');
    }
    expect(await plane.publish('noted')).toMatchObject({ status: 'completed', reason: '' });
    expect(readFileSync(join(scratch, 'notes'), 'utf8')).toBe('noted\n');
    const { runId, status } = await plane.publish('strange');
    expect(status).toBe('failed');
    const { nodes } = await plane.json<Detail>('describe', 'run', runId);
    expect(nodes[0]?.error).toContain('("absent") is illegal: unknown-hook');
    const [node = ''] = plane.nodes;
    expect(existsSync(plane.live(node, 'strange'))).toBe(false);
  },
  timeoutMs,
);

interface History {
  readonly versions: readonly { readonly treeDigest: string }[];
}

interface Detail {
  readonly nodes: readonly { readonly error: string }[];
}
