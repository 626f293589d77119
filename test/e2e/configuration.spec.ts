import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ControlPlane } from '#test/support/control-plane.js';
import { writeFiles } from '#test/support/trees.js';
import { commandsIn } from './readme-commands.js';

const timeoutMs = 120_000;
const staged = '{"greeting":"hello"}\n';
let plane: ControlPlane;
let staging: string;

beforeAll(async () => {
  plane = await ControlPlane.start({ segments: 2, nodes: 2 });
  staging = await plane.createSite('www');
  writeFiles(staging, { 'app.json': staged, 'web.env': 'PORT=80\n', index: 'page' });
}, timeoutMs);
afterAll(() => plane?.close(), timeoutMs);

/** What all servers serve at a path, each different content once. */
const served = (path: string) => [
  ...new Set(plane.nodes.map((node) => readFileSync(join(plane.live(node, 'www'), path), 'utf8'))),
];

async function publish() {
  const published = await plane.publish('www');
  expect(published).toMatchObject({ status: 'completed', reason: '', code: 0 });
  return published;
}

test(
  'a value that is set is on all servers with the next publication, and back with a rollback',
  async () => {
    await publish();
    await plane.json('config', 'set', 'www', 'app.json', 'greeting=welcome', '--reason', 'no 7');
    expect(served('app.json')).toEqual([staged]);
    const { bytes } = await publish();
    expect(served('app.json')).toEqual(['{"greeting":"welcome"}\n']);
    expect(served('index')).toEqual(['page']);
    expect(bytes.wan).toBeLessThan(5_000);
    const [edited] = (await plane.events()).filter(({ type }) => type.endsWith('.SiteEdited'));
    expect(edited).toMatchObject({ actor: expect.stringMatching(/^cli:/), reason: 'no 7' });
    expect((await plane.publish('www')).assignments).toEqual([]);
    const { code } = await plane.cli('rollback', 'www', '--wait');
    expect(code).toBe(0);
    expect(served('app.json')).toEqual([staged]);
    await publish();
    expect(served('app.json')).toEqual(['{"greeting":"welcome"}\n']);
  },
  timeoutMs,
);

test(
  'the audited tree of each time has the values that it was signed with',
  async () => {
    const treeAt = async (at: number, to: string) => {
      const target = join(plane.directory, to);
      await plane.json('audit', 'tree', 'www', '--at', String(at), '--export', target);
      return readFileSync(join(target, 'app.json'), 'utf8');
    };
    const moves = (await plane.events()).filter(({ type }) => type.endsWith('.ShadowMoved'));
    const trees = await Promise.all(
      moves.map(({ sequence }, index) => treeAt(sequence, `audited-${index}`)),
    );
    const set = '{"greeting":"welcome"}\n';
    expect(trees).toEqual([staged, set, staged, set]);
  },
  timeoutMs,
);

test('a changed value travels as a command, without content', async () => {
  const built = (await plane.events()).filter(({ type }) => type.endsWith('.AssignmentBuilt'));
  const assignments = built.map(({ data }) => data as { dataBytes?: string });
  // The one for the value, and one for the time of the file.
  expect(assignments[2]).toMatchObject({ sequence: '3', commandCount: '2' });
  expect(Number(assignments[2]?.dataBytes ?? 0)).toBe(0);
});

test(
  'a file that is not there, or is not what its name says, fails the run and changes nothing',
  async () => {
    await plane.json('config', 'set', 'www', 'gone.ini', 'a.b=1');
    const missing = await plane.publish('www');
    expect(missing).toMatchObject({ status: 'failed', code: 5 });
    expect(missing.reason).toMatch(/"gone.ini" of www: it is not there.*config unset www/);
    await plane.json('config', 'unset', 'www', 'gone.ini', 'a.b');
    writeFileSync(join(staging, 'app.json'), 'greeting: hello');
    const broken = await plane.publish('www');
    expect(broken.reason).toMatch(/"app.json" of www: the file is not JSON/);
    expect(served('app.json')).toEqual(['{"greeting":"welcome"}\n']);
    writeFileSync(join(staging, 'app.json'), staged);
    const refused = await plane.cli('config', 'set', 'www', 'app.json', 'a..b=1');
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('empty name') });
  },
  timeoutMs,
);

test(
  'the commands of the README run, and a file of objects says the same',
  async () => {
    for (const args of commandsIn('README.md', ['Configuration values'], {})) {
      const { code, stderr } = await plane.cli(...args);
      expect({ args, code, stderr }).toMatchObject({ args, code: 0 });
    }
    expect(served('web.env')).toEqual(['PORT=8080\n']);
    const path = join(plane.directory, 'fleet.yaml');
    const spec = { staging, configuration: { 'web.env': { PORT: 81 } } };
    writeFileSync(path, JSON.stringify({ kind: 'Site', name: 'www', spec }));
    const apply = () => plane.json<Applied>('apply', '-f', path);
    expect((await apply()).objects[0]?.action).toBe('changed');
    expect((await apply()).objects[0]?.action).toBe('unchanged');
    await publish();
    expect([...served('web.env'), ...served('app.json')]).toEqual(['PORT=81\n', staged]);
  },
  timeoutMs,
);

interface Applied {
  readonly objects: readonly { readonly action: string }[];
}
