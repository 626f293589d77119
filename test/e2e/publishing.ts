import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { ControlPlane, Published } from '#test/support/control-plane.js';
import { addOddities, copyPackage, largeFileBytes, treeOf } from '#test/support/trees.js';

const timeoutMs = 120_000;

/** Publications that go well. */
export function publishing(planeOf: () => ControlPlane): void {
  describe('publishing', () => {
    let plane: ControlPlane;
    let staging: string;

    beforeAll(async () => {
      plane = planeOf();
      staging = await plane.createSite('www');
    }, timeoutMs);

    async function publishWhole(): Promise<Published> {
      const published = await plane.publish('www');
      expect(published).toMatchObject({ status: 'completed', reason: '', code: 0 });
      expectLive('www', staging, plane.nodes);
      return published;
    }

    function expectLive(site: string, content: string, nodes: readonly string[]): void {
      const wanted = treeOf(content);
      for (const node of nodes) expect(treeOf(plane.live(node, site))).toEqual(wanted);
    }

    test(
      'makes a real tree with all the oddities of file systems live on every server',
      async () => {
        copyPackage(staging);
        addOddities(staging);
        const published = await publishWhole();
        expect(Object.keys(treeOf(staging)).length).toBeGreaterThan(4_000);
        expect(published).toEqual(expect.objectContaining(documentedShape));
        expect(published.assignments.map(({ id }) => id)).toEqual(['www-1', 'www-2']);
        expect(published.nodes.map(({ node }) => node).sort()).toEqual([...plane.nodes].sort());
        expect(new Set(published.nodes.map(({ status }) => status))).toEqual(new Set(['switched']));
        const { links } = await plane.json<RunDetail>('describe', 'run', published.runId);
        const overLinks = links.reduce((sum, { bytes }) => sum + bytes, 0);
        expect(published.bytes.wan).toBe(overLinks);
        const containers = published.assignments.reduce((sum, { bytes }) => sum + bytes, 0);
        // One copy a link; a range that was on its way when its source changed may come twice.
        expect(overLinks).toBeGreaterThanOrEqual(2 * containers);
        expect(overLinks).toBeLessThan(2.02 * containers);
        expect(published.bytes.multicast).toBeGreaterThan(largeFileBytes);
      },
      timeoutMs,
    );

    test(
      'sends little for a small change, also of a large file',
      async () => {
        appendFileSync(join(staging, 'README.md'), 'one more line\n');
        appendFileSync(join(staging, 'large.bin'), 'one more line\n');
        const { bytes, durationMs } = await publishWhole();
        expect(bytes.wan).toBeLessThan(20_000);
        expect(bytes.wan).toBeGreaterThan(0);
        expect(durationMs).toBeGreaterThan(0);
      },
      timeoutMs,
    );

    test(
      'follows every kind of change',
      async () => {
        const at = (name: string) => join(staging, name);
        renameSync(at('large.bin'), at('renamed.bin'));
        renameSync(at('esm/components'), at('esm/parts'));
        rmSync(at('cjs'), { recursive: true });
        rmSync(at('line\u2028break'));
        rmSync(at('dangling'));
        chmodSync(at('README.md'), 0o640);
        chmodSync(at('closed'), 0o755);
        rmSync(at('zero'));
        mkdirSync(at('zero/now/a'), { recursive: true });
        rmSync(at('empty'), { recursive: true });
        symlinkSync('zero', at('empty'));
        rmSync(at('absolute'));
        writeFileSync(at('absolute'), 'a file now');
        rmSync(at('secret'));
        symlinkSync('run.sh', at('secret'));
        writeFileSync(at('of 1999'), '');
        const { bytes } = await publishWhole();
        expect(bytes.wan).toBeLessThan(1_000_000);
      },
      timeoutMs,
    );

    test(
      'carries over a new time of a file that is otherwise the same',
      async () => {
        utimesSync(join(staging, 'renamed.bin'), 1_000_000_000.5, 1_000_000_000.5);
        const { bytes } = await publishWhole();
        expect(bytes.wan).toBeLessThan(20_000);
      },
      timeoutMs,
    );

    test(
      'completes at once and says so when nothing has changed',
      async () => {
        const published = await publishWhole();
        expect(published.assignments).toEqual([]);
        expect(published.bytes).toMatchObject({ wan: 0, multicast: 0, unicast: 0 });
        const { code, stdout } = await plane.cli('publish', 'www', '--wait');
        expect({ code, stdout }).toEqual({
          code: 0,
          stdout: 'nothing changed in www; every server keeps what it has\n',
        });
      },
      timeoutMs,
    );

    test(
      'says in a dry run what would change, and changes nothing',
      async () => {
        const before = treeOf(staging);
        writeFileSync(join(staging, 'draft.html'), 'draft');
        const dry = await plane.cli('publish', 'www', '--dry-run');
        expect(dry.stdout).toContain('dry run: 1 new, 0 changed');
        for (const node of plane.nodes) expect(treeOf(plane.live(node, 'www'))).toEqual(before);
        await publishWhole();
      },
      timeoutMs,
    );

    test(
      'leaves out what the filters exclude; the first rule that matches decides',
      async () => {
        const content = join(plane.directory, 'filtered');
        for (const name of ['keep.log', 'other.log', 'page.html', 'cache/a', 'docs/cache/b']) {
          mkdirSync(join(content, name, '..'), { recursive: true });
          writeFileSync(join(content, name), name);
        }
        const filters = ['--include', 'keep.log', '--exclude', '*.log', '--exclude', '/cache/'];
        await plane.json('site', 'create', 'filtered', '--staging', content, ...filters);
        await plane.json('group', 'create', 'filtered', '--site', 'filtered', '--all');
        expect(await plane.publish('filtered')).toMatchObject({ status: 'completed' });
        rmSync(join(content, 'other.log'));
        rmSync(join(content, 'cache'), { recursive: true });
        expectLive('filtered', content, plane.nodes);
      },
      timeoutMs,
    );

    test(
      'reaches the servers of the groups, and no others',
      async () => {
        const content = await plane.createSite('chosen', '--node', 'paris-1');
        writeFileSync(join(content, 'index.html'), 'first');
        const { nodes } = await plane.publish('chosen');
        expect(nodes).toEqual([{ node: 'paris-1', segment: 'paris', status: 'switched' }]);
        expectOnlyOn('chosen', ['paris-1']);

        await plane.json('group', 'create', 'paris', '--site', 'chosen', '--node', 'paris-1');
        await plane.json('group', 'edit', 'paris', '--selector', 'location=paris');
        await plane.json('group', 'delete', 'chosen');
        const other = await plane.createSite('selected', '--selector', 'location=paris');
        writeFileSync(join(other, 'index.html'), 'first');
        expect((await plane.publish('selected')).nodes.map(({ node }) => node).sort()).toEqual([
          'paris-1',
          'paris-2',
        ]);
        expectOnlyOn('selected', ['paris-1', 'paris-2']);
        const { groups } = await plane.json<{ groups: { name: string }[] }>('get', 'groups');
        const names = groups.map(({ name }) => name);
        expect(names).toEqual(expect.arrayContaining(['filtered', 'paris', 'selected', 'www']));
        expect(names).not.toContain('chosen');
      },
      timeoutMs,
    );

    function expectOnlyOn(site: string, nodes: readonly string[]): void {
      const serving = plane.nodes.filter((node) => existsSync(plane.live(node, site)));
      expect(serving.sort()).toEqual([...nodes].sort());
      const others = plane.nodes.filter((node) => !nodes.includes(node));
      for (const node of others) {
        expect(existsSync(join(plane.root(node), 'sites', site))).toBe(false);
      }
    }
  });
}

interface RunDetail {
  readonly links: readonly { readonly bytes: number }[];
}

const documentedShape = {
  runId: expect.stringMatching(/^[0-9a-f-]{36}$/),
  status: 'completed',
  durationMs: expect.any(Number),
  assignments: [
    { id: 'www-1', sequence: '1', bytes: expect.any(Number) },
    { id: 'www-2', sequence: '2', bytes: expect.any(Number) },
  ],
  nodes: expect.arrayContaining([{ node: 'paris-1', segment: 'paris', status: 'switched' }]),
  bytes: expect.objectContaining({
    wan: expect.any(Number),
    multicast: expect.any(Number),
    unicast: expect.any(Number),
  }),
};
