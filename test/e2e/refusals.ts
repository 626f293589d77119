import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { type Ended, espalier } from '#test/support/child.js';
import type { ControlPlane } from '#test/support/control-plane.js';
import { until } from '#test/support/until.js';

const timeoutMs = 120_000;

/** What must not be published or asked for, and how it is refused. */
export function refusals(planeOf: () => ControlPlane): void {
  describe('a command', () => {
    test('for an unknown site is refused by name', async () => {
      const ended = await planeOf().cli('publish', 'nosuch', '--wait');
      expect(ended).toMatchObject({ code: 1, stdout: '' });
      expect(ended.stderr).toContain('there is no site "nosuch"');
      expect(ended.stderr).toContain('what to do');
    });

    test('for a site that no group receives is refused', async () => {
      const staging = join(planeOf().directory, 'lonely');
      await planeOf().json('site', 'create', 'lonely', '--staging', staging);
      const ended = await planeOf().cli('publish', 'lonely');
      expect(ended).toMatchObject({ code: 1, stdout: '' });
      expect(ended.stderr).toContain('no group of site lonely');
    });

    test.each([
      ['no site', ['publish']],
      ['an option that does not exist', ['publish', 'www', '--wiat']],
      ['a kind that does not exist', ['get', 'things']],
      ['a timeout that is no number', ['publish', 'www', '--timeout', 'soon']],
      ['no command at all that exists', ['pulbish', 'www']],
      ['a format that does not exist', ['get', 'nodes', '-o', 'xml']],
    ])('with %s shows how it is used', async (_what, args) => {
      const ended = await planeOf().cli(...args);
      expect(ended).toMatchObject({ code: 2, stdout: '' });
      expect(ended.stderr).toContain('--help');
    });

    test('says that no control plane answers, and where it asked', async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await until('the port is known', () => server.address());
      const { port } = server.address() as AddressInfo;
      await new Promise((done) => server.close(done));
      const url = `http://127.0.0.1:${port}`;
      for (const args of [['get', 'nodes'], ['publish', 'www'], ['events']]) {
        const ended = await espalier([...args, '--url', url]).ended;
        expect(ended).toMatchObject({ code: 1, stdout: '' });
        expect(ended.stderr).toContain(`no control plane answers at ${url}`);
      }
    });

    test('to start on a taken port names the port', async () => {
      const port = new URL(planeOf().url).port;
      const dataDir = join(planeOf().directory, 'second');
      const ended = await espalier(['up', '--http', port, '--data-dir', dataDir, '--json']).ended;
      expect(ended).toMatchObject({ code: 1, stdout: '' });
      expect(ended.stderr).toContain(`port ${port} is taken`);
    });

    test('to start on the data of a control plane that runs is refused', async () => {
      const ended = await espalier(['up', '--http', '0', '--data-dir', planeOf().dataDir]).ended;
      expect(ended.code).toBe(1);
      expect(ended.stderr).toContain(planeOf().dataDir);
    });
  });

  describe('a staging directory', () => {
    let staging: string;

    beforeAll(async () => {
      staging = await planeOf().createSite('broken', '--node', 'paris-1');
    });

    /** Empties the staging directory, fills it, and publishes. */
    async function publish(fill: () => void): Promise<Ended> {
      execFileSync('rm', ['-rf', staging]);
      mkdirSync(staging, { recursive: true });
      writeFileSync(join(staging, 'index.html'), 'fine');
      fill();
      return planeOf().cli('publish', 'broken', '--wait');
    }

    test.each<[string, () => void, string]>([
      ['is missing', () => rmSync(staging, { recursive: true }), '/staging/broken does not exist'],
      [
        'is a file',
        () => {
          rmSync(staging, { recursive: true });
          writeFileSync(staging, '');
        },
        '/staging/broken is not a directory',
      ],
      ['has a pipe', () => execFileSync('mkfifo', [join(staging, 'pipe')]), 'pipe is a pipe'],
      [
        'has a name that is not UTF-8',
        () => writeFileSync(Buffer.from(`${staging}/caf\xe9`, 'latin1'), ''),
        'not UTF-8: caf\\xe9',
      ],
      ['has a path that is too long', () => makeDeep(staging), 'is too long'],
    ])(
      'that %s fails the run by name',
      async (_what, fill, says) => {
        const { code, stdout } = await publish(fill);
        expect(stdout).toContain(says);
        expect(code).toBe(5);
      },
      timeoutMs,
    );

    test('that is mended is published', async () => {
      expect((await publish(() => undefined)).code).toBe(0);
    });
  });

  describe('while a run of the site is under way', () => {
    test(
      'a second one is refused, and waiting for the first may time out',
      async () => {
        const plane = planeOf();
        const staging = await plane.createSite('slow', '--node', 'tokyo-1');
        writeFileSync(join(staging, 'index.html'), 'slow');
        plane.signal('tokyo-1', 'SIGSTOP');
        try {
          const waited = await plane.cli('publish', 'slow', '--wait', '--timeout', '1');
          expect(waited).toMatchObject({ code: 8, stdout: '' });
          expect(waited.stderr).toMatch(/run [0-9a-f-]{36} has not ended in 1 s/);
          const second = await plane.cli('publish', 'slow', '--wait');
          expect(second).toMatchObject({ code: 7, stdout: '' });
          expect(second.stderr).toContain('of site slow is not over yet');
        } finally {
          plane.signal('tokyo-1', 'SIGCONT');
        }
        await until('the run ends', async () => {
          const { code } = await plane.cli('publish', 'slow', '--wait');
          return code !== 7;
        });
        await until('all servers are back', async () => {
          const { nodes } = await plane.ask<{ nodes: { status: string }[] }>('nodes');
          return nodes.every(({ status }) => status === 'online');
        });
      },
      timeoutMs,
    );
  });
}

/** Directories so deep that the path has more than 4096 bytes. */
function makeDeep(staging: string): void {
  const script = 'i=0; while [ $i -lt 20 ]; do mkdir "$0"; cd -P "$0" || exit; i=$((i+1)); done';
  execFileSync('sh', ['-c', script, 'd'.repeat(250)], { cwd: staging });
}
