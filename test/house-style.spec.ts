import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { violationsOf } from './support/house-style.js';

const folders = ['libs', 'services', 'deploy', 'test'];
const leftOut = /^libs\/contracts\/generated\/|\/(node_modules|dist)\/|\.d\.ts$/;

describe('the house style', () => {
  test('holds for every source file', async () => {
    const paths = await sources();
    expect(paths).toContain('test/house-style.spec.ts');
    const found = await Promise.all(
      paths.map(async (path) => violationsOf(path, await readFile(path, 'utf8'))),
    );
    expect(found.flat()).toEqual([]);
  }, 60_000);
});

const lines = (count: number, line: string) => Array(count).fill(line).join('\n');

describe('the checker of the house style', () => {
  const bad: [rule: string, path: string, text: string, says: string][] = [
    ['a long file', 'libs/a/b.ts', lines(301, 'f();'), ':301: 301 lines'],
    ['a long line', 'libs/a/b.ts', `\n${'é'.repeat(101)};`, ':2: 102 characters'],
    [
      'a long function',
      'libs/a/b.ts',
      `\nfunction f() {\n${lines(59, 'f();')}\n}`,
      ':2: a function of 61',
    ],
    [
      'a long method',
      'libs/a/b.ts',
      `class A { f() {\n${lines(59, 'f();')}\n} }`,
      ':1: a function of 61',
    ],
    [
      'a long arrow',
      'libs/a/b.ts',
      `/* é */ const f = () => {\n${lines(59, 'f();')}\n};`,
      ':1: a func',
    ],
    ['the wall clock', 'libs/a/b.ts', 'export const now = () => Date.now();', 'Date.now: take'],
    ['the clock, passed on', 'services/a/app/b.ts', 'f(Date.now);', 'Date.now: take'],
    ['the date of today', 'libs/a/b.spec.ts', 'f(new Date());', 'new Date(): take'],
    ['chance', 'libs/a/b.ts', 'f(Math.random());', 'Math.random: take'],
    ['a timer', 'services/a/app/b.ts', 'setTimeout(f, 1);', 'setTimeout: take'],
    [
      'a timer of a module',
      'libs/a/b.ts',
      "import { setTimeout } from 'node:timers/promises';",
      'imports node:timers',
    ],
    [
      'a datagram socket',
      'libs/a/b.ts',
      "import { createSocket } from 'node:dgram';",
      'imports node:dgram',
    ],
    [
      'a framework',
      'services/a/domain/b.ts',
      "import { Module } from '@nestjs/common';",
      'imports @nestjs/common',
    ],
    [
      'a framework, loaded late',
      'services/a/app/b.ts',
      "await import('typeorm');",
      'imports typeorm',
    ],
    [
      'a framework, passed on',
      'libs/a/b.ts',
      "export * from '@nats-io/jetstream';",
      'imports @nats-io',
    ],
    ['a skipped test', 'libs/a/b.spec.ts', "test.skip('x', () => {});", 'test.skip: every'],
    ['a sole test', 'libs/a/b.spec.ts', "describe.only('x', () => {});", 'describe.only: every'],
    ['a marker of work left', 'libs/a/b.ts', `// FIX${'ME'} later`, 'unfinished'],
    ['a barrel', 'libs/a/index.ts', "export * from './b.js';", 'a barrel'],
  ];

  test.each(bad)('rejects %s', (_rule, path, text, says) => {
    expect(violationsOf(path, text).join('\n')).toContain(says);
  });

  const good: [what: string, path: string, text: string][] = [
    ['time in an adapter', 'libs/a/adapters/b.ts', 'setTimeout(() => f(Date.now()), 1);'],
    ['a date made of a number', 'libs/a/b.ts', 'export const f = (ms: number) => new Date(ms);'],
    ['a method named like a timer', 'libs/a/b.ts', 'clock.setTimeout({ setInterval: 1 });'],
    ['a framework in a module file', 'services/a/a.module.ts', "import {} from '@nestjs/common';"],
    ['a function of 60 lines', 'libs/a/b.ts', `function f() {\n${lines(58, 'f();')}\n}`],
    ['a long suite', 'libs/a/b.spec.ts', `describe('x', () => {\n${lines(90, "it('', f);")}\n});`],
    ['a program file', 'services/a/bin.mjs', '#!/usr/bin/env node\nf();'],
    ['a file of 300 lines', 'libs/a/b.ts', `${lines(300, 'f();')}\n`],
    ['JSX and decorators', 'services/console/web/b.tsx', '@A() class B { c = <p>d</p>; }'],
  ];

  test.each(good)('accepts %s', (_what, path, text) => {
    expect(violationsOf(path, text)).toEqual([]);
  });
});

async function sources(): Promise<string[]> {
  const found = await Promise.all(
    folders.map(async (folder) => {
      const names = await readdir(folder, { recursive: true }).catch(() => []);
      return names.map((name) => join(folder, name));
    }),
  );
  return found.flat().filter((path) => /\.(ts|tsx|mjs|cjs)$/.test(path) && !leftOut.test(path));
}
