import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';

test('every npm script names a task, and every task a program that was compiled', async () => {
  const { scripts } = JSON.parse(await readFile('package.json', 'utf8')) as {
    scripts: Record<string, string>;
  };
  const source = await readFile('deploy/tasks.mjs', 'utf8');
  const named = Object.values(scripts).flatMap((script) => /--then (\S+)/.exec(script)?.[1] ?? []);
  const isTask = (name: string) => source.includes(`'${name}':`) || source.includes(`  ${name}: {`);
  expect(named.filter((name) => !isTask(name))).toEqual([]);
  const programs = [...source.matchAll(/'(dist\/[^']+\.js)'/g)].map(([, path]) => String(path));
  expect(programs.length).toBeGreaterThan(10);
  expect(programs.filter((path) => !existsSync(path))).toEqual([]);
});
