import { mkdtempSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { hostPorts } from './adapters/host-ports.js';
import { hostPrograms } from './adapters/host-programs.js';
import { removeTree } from './adapters/removal.js';
import { confirmLive, goLive } from './go-live.js';
import type { HostPrograms, InterpreterPorts } from './ports.js';
import { prepare } from './prepare.js';
import type { Hook, SitePolicy } from './site-policy.js';
import { assignmentOf, testVersions } from './test-versions.js';

let root: string;
let said: string[];
const ports: InterpreterPorts = { ...hostPorts, syncFilesystem: () => undefined };

/** A host whose programs do what their names say. */
const pretended: HostPrograms = {
  runHook: async ({ command }, { ESPALIER_SEQUENCE }) => {
    said.push(`${command[0]} ${ESPALIER_SEQUENCE}`);
    return command[0]?.startsWith('/fails') ? 'exit status 1' : undefined;
  },
  probe: async (_, { ESPALIER_SEQUENCE }) => (ESPALIER_SEQUENCE === '2' ? '503' : undefined),
};
const hooks: Record<string, Hook> = {
  reload: { command: ['/reload'], timeoutMs: 1000 },
  drain: { command: ['/drain'], timeoutMs: 1000 },
  broken: { command: ['/fails'], timeoutMs: 1000 },
};
const probe = { url: 'http://127.0.0.1/', timeoutMs: 1000 };

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'interpreter-'));
  said = [];
  for (const number of [1, 2]) await prepareNumber(number);
  await goLive({ root, site: 'www', sequence: 1 }, ports);
});
afterEach(() => removeTree(root));

const prepareNumber = (number: number) =>
  prepare({ root, site: 'www', ...assignmentOf(testVersions, number) }, ports);
const live = () => readlinkSync(join(root, 'sites/www/live'));
const journal = () => readFileSync(join(root, 'sites/www/journal'), 'utf8');
const go = (sequence: number, policy: Partial<SitePolicy>, programs = pretended) =>
  goLive({ root, site: 'www', sequence, sitePolicy: { hooks, ...policy } }, { ...ports, programs });

describe('going live', () => {
  it('runs the hooks before and after, and keeps that they passed', async () => {
    await prepareNumber(3);
    await go(3, { beforeSwitch: ['drain'], afterSwitch: ['reload'], probe });
    expect(said).toEqual(['/drain 3', '/reload 3']);
    expect(journal()).toContain('"CONFIRMED"');
    await go(3, { beforeSwitch: ['drain'], afterSwitch: ['reload'], probe });
    expect(said).toHaveLength(2);
  });

  it('changes nothing when a hook before it fails', async () => {
    const error = await go(2, { beforeSwitch: ['drain', 'broken'] }).catch((e) => e);
    expect(error.name).toBe('HookFailed');
    expect(error.message).toContain('exit status 1');
    expect(live()).toBe('versions/1');
    expect(journal()).not.toContain('"SWITCHING","sequence":2');
  });

  it.each([
    ['a probe', { probe, afterSwitch: ['reload'] }, ['/reload 2', '/reload 2'], 'healthy: 503'],
    ['a hook', { afterSwitch: ['broken'] }, ['/fails 2', '/fails 2'], 'exit status 1'],
  ])('switches back when %s after it fails, and says why', async (_, policy, ran, why) => {
    const error = await go(2, policy).catch((e) => e);
    expect(error).toMatchObject({ name: 'SwitchedBack', sequence: 2, live: 1 });
    expect(error.message).toContain(why);
    expect(live()).toBe('versions/1');
    expect(said).toEqual(ran);
  });

  it.each([
    ['hangs', 'sleep 1000', 'not done after 300 ms'],
    ['floods', 'yes', 'said more than 1048576 bytes'],
    ['leaves others running and fails', 'sleep 1000 & exit 3', 'exit status 3'],
    ['says that all is well when nothing is', 'exit 0', 'not healthy: exit status 1'],
  ])('is taken back where a real hook %s', async (_, script, why) => {
    const hook = { command: ['/bin/sh', '-c', script], timeoutMs: 300 };
    const policy = { hooks: { hook }, afterSwitch: ['hook'] };
    const broken = { command: ['/bin/false'], timeoutMs: 50 };
    const error = await go(2, { ...policy, probe: broken }, hostPrograms).catch((e) => e);
    expect(error).toMatchObject({ name: 'SwitchedBack', sequence: 2, live: 1 });
    expect(error.message).toContain(why);
    expect(live()).toBe('versions/1');
  });

  it('leaves the first version where it is: there is nothing to go back to', async () => {
    await removeTree(root);
    await prepareNumber(1);
    const error = await go(1, { afterSwitch: ['broken'] }).catch((e) => e);
    expect(error).toMatchObject({ name: 'SwitchedBack', sequence: 1, live: undefined });
    expect(live()).toBe('versions/1');
  });

  it('refuses a hook that the host does not define', async () => {
    const error = await go(2, { beforeSwitch: ['constructor'] }).catch((e) => e);
    expect(error.message).toContain('does not allow');
  });

  it('repeats checks that a stop of the agent cut short', async () => {
    const dies = { ...pretended, probe: () => Promise.reject(new Error('killed')) };
    await expect(go(2, { probe }, dies)).rejects.toThrow('killed');
    expect(live()).toBe('versions/2');
    const sitePolicy = { hooks, probe };
    const again = confirmLive({ root, site: 'www', sitePolicy }, { ...ports, programs: pretended });
    await expect(again).rejects.toMatchObject({ name: 'SwitchedBack', live: 1 });
    expect(live()).toBe('versions/1');
  });
});

describe("this host's programs", () => {
  const shell = (script: string, timeoutMs = 5_000): Hook => ({
    command: ['/bin/sh', '-c', script],
    timeoutMs,
  });
  const run = (script: string, timeoutMs?: number) =>
    hostPrograms.runHook(shell(script, timeoutMs), { ESPALIER_SITE: 'www' });

  it('succeed, and see nothing of the environment but what they are given', async () => {
    process.env.NODE_OPTIONS_FOR_TEST = 'secret';
    expect(await run('test "$ESPALIER_SITE" = www && test -z "$NODE_OPTIONS_FOR_TEST"')).toBe(
      undefined,
    );
  });

  it('fail with their status and their words', async () => {
    expect(await run('echo no such host >&2; exit 3')).toBe('exit status 3: no such host');
    const absent = { command: ['/nowhere/program'], timeoutMs: 1000 };
    expect(await hostPrograms.runHook(absent, {})).toContain('ENOENT');
  });

  it('are ended with all that they started when their time is up', async () => {
    const file = join(root, 'pid');
    const hangs = run(`sleep 1000 & echo $! > ${file}; wait`, 300);
    expect(await hangs).toBe('it was not done after 300 ms');
    expect(await ends(Number(readFileSync(file, 'utf8')))).toBe(true);
  });

  it('leave nothing behind that they forked', async () => {
    const file = join(root, 'pid');
    expect(await run(`sleep 1000 & echo $! > ${file}`)).toBe(undefined);
    expect(await ends(Number(readFileSync(file, 'utf8')))).toBe(true);
  });

  it('are ended when they flood their output', async () => {
    expect(await run('yes')).toBe('it said more than 1048576 bytes');
  });

  it('get their arguments as they are, without a shell', async () => {
    const hook = { command: ['/bin/echo', `$(touch ${join(root, 'canary')})`], timeoutMs: 1000 };
    expect(await hostPrograms.runHook(hook, {})).toBe(undefined);
    expect(() => readFileSync(join(root, 'canary'))).toThrow('ENOENT');
  });
});

describe('a probe', () => {
  let server: Server;
  let answers: number[];
  let url: string;
  beforeEach(async () => {
    answers = [];
    server = createServer((_, response) => {
      const status = answers.shift();
      if (status !== undefined) response.writeHead(status).end();
    });
    await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it('waits for a server that comes up, within its time', async () => {
    answers = [503, 500, 200];
    expect(await hostPrograms.probe({ url, timeoutMs: 10_000 }, {})).toBe(undefined);
  });

  it('fails for a server that never answers, or answers with an error', async () => {
    expect(await hostPrograms.probe({ url, timeoutMs: 200 }, {})).toContain('timeout');
    answers = Array(100).fill(503);
    expect(await hostPrograms.probe({ url, timeoutMs: 150 }, {})).toBe('503');
    const command = { command: ['/bin/false'], timeoutMs: 50 };
    expect(await hostPrograms.probe(command, {})).toBe('exit status 1');
  });
});

/** A signal takes a moment to arrive. */
async function ends(pid: number): Promise<boolean> {
  for (let turn = 0; turn < 100_000 && isRunning(pid); turn++) await new Promise(setImmediate);
  return !isRunning(pid);
}

/** A process that was killed may not have been reaped yet. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
