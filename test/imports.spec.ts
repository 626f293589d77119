import { cp, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { run } from '#deploy/embedded/run.js';
import { scratchDirectory } from './support/servers.js';

/** A small repository with one violation of each rule, and what must be allowed. */
const planted: Record<string, string> = {
  'libs/contracts/upward.ts': "import '#libs/tree/plan.js';",
  'libs/tree/plan.ts': 'export const plan = 1;',
  'libs/tree/to-service.ts': "import '#services/delta/scan.js';",
  'libs/tree/to-deploy.ts': "import { type Server } from '#deploy/server.js';",
  'libs/tree/to-test.ts': "import '#test/support/tool.js';",
  'libs/tree/to-nats.ts': "import type { NatsConnection } from '@nats-io/nats-core';",
  'libs/tree/to-nothing.ts': "import './gone.js';",
  'libs/tree/one.ts': "import { two } from './two.js'; export const one = () => two;",
  'libs/tree/two.ts': "import { one } from '#libs/tree/one.js'; export const two = () => one;",
  'libs/tree/adapters/nats.ts': "import '@nats-io/nats-core';",
  'libs/tree/plan.spec.ts': "import '#deploy/server.js'; import '#test/support/tool.js';",
  'services/delta/scan.ts': "import '#libs/tree/plan.js';",
  'services/delta/to-sibling.ts': "export * from '#services/gateway/door.js';",
  'services/delta/to-deploy.ts': "await import('#deploy/server.js');",
  'services/delta/domain/to-nest.ts': "import { Module } from '@nestjs/common'; Module({});",
  'services/delta/app/to-typeorm.ts': "import { DataSource } from 'typeorm'; new DataSource();",
  'services/delta/delta.module.ts': "import '@nestjs/common'; import '#services/delta/scan.js';",
  'services/gateway/door.ts': 'export const door = 1;',
  'services/espalier/all.ts': "import '#services/delta/scan.js'; import '#deploy/server.js';",
  'deploy/server.ts': 'export interface Server { a: 1 }',
  'deploy/to-service.ts': "import '#services/delta/scan.js';",
  'test/support/tool.ts': 'export const tool = 1;',
};

const expected = [
  'contracts-know-nobody libs/contracts/upward.ts',
  'libs-know-no-services libs/tree/to-service.ts',
  'launcher-is-for-the-composition-root libs/tree/to-deploy.ts',
  'launcher-is-for-the-composition-root services/delta/to-deploy.ts',
  'nothing-needs-tests libs/tree/to-test.ts',
  'frameworks-at-the-edge libs/tree/to-nats.ts',
  'frameworks-at-the-edge services/delta/domain/to-nest.ts',
  'frameworks-at-the-edge services/delta/app/to-typeorm.ts',
  'services-know-not-each-other services/delta/to-sibling.ts',
  'deploy-knows-no-services deploy/to-service.ts',
  'all-imports-resolve libs/tree/to-nothing.ts',
  'no-cycles libs/tree/one.ts',
];

describe('the rules of imports', () => {
  let directory: string;

  beforeAll(async () => {
    directory = await scratchDirectory();
    for (const [path, text] of Object.entries(planted)) {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await writeFile(join(directory, path), `${text}\n`);
    }
    for (const path of ['.dependency-cruiser.cjs', 'deploy/import-resolution.cjs']) {
      await cp(path, join(directory, path));
    }
    await cp('package.json', join(directory, 'package.json'));
    await symlink(resolve('node_modules'), join(directory, 'node_modules'));
  });

  afterAll(() => rm(directory, { recursive: true, force: true }));

  test('report each planted violation, and nothing else', async () => {
    const program = resolve('node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
    const args = [program, '--output-type', 'json', 'libs', 'services', 'deploy', 'test'];
    const { stdout } = await run(process.execPath, args, { cwd: directory });
    const { summary } = JSON.parse(stdout) as Cruise;
    const found = summary.violations.map(({ rule, from }) => `${rule.name} ${from}`);
    expect(found.sort()).toEqual([...expected].sort());
  });
});

interface Cruise {
  readonly summary: {
    readonly violations: readonly { readonly rule: { readonly name: string }; from: string }[];
  };
}
