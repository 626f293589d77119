import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { ContainerSpool } from './container-spool.js';

const trust = { keys: [], threshold: 1 };
const lookEveryMs = 300_000;
let directory: string;
let clock: VirtualClock;
let spool: ContainerSpool;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'spool-'));
  clock = new VirtualClock(1_000_000);
  spool = await ContainerSpool.open(directory, 100, clock);
});
afterEach(async () => {
  await spool.close();
  rmSync(directory, { recursive: true });
});

const names = () => readdirSync(directory).sort();

/** A file in the spool, last written to at `second`. */
function put(name: string, bytes: number, second: number): void {
  const path = join(directory, name);
  writeFileSync(path, Buffer.alloc(bytes));
  utimesSync(path, second, second);
}

/** A container that multicast has brought as a whole. */
async function complete(digest: string, bytes: number, second: number): Promise<void> {
  put(`${digest}.part`, bytes, second);
  await spool.complete(digest, bytes);
}

describe('a spool of 100 bytes', () => {
  test('lets the oldest go for what comes', async () => {
    put('b.container', 40, 2);
    put('a.container', 40, 1);
    await complete('c', 40, 3);
    expect(names()).toEqual(['b.container', 'c.container']);
    await complete('d', 70, 4);
    expect(names()).toEqual(['d.container']);
  });

  test('keeps what came last, however old its file is and however full it is', async () => {
    put('b.container', 90, 2);
    await complete('a', 90, 1);
    expect(names()).toEqual(['a.container', 'b.container']);
    await complete('c', 10, 3);
    expect(names()).toEqual(['b.container', 'c.container']);
  });

  test('keeps what is arriving, and has room for it before it comes', async () => {
    put('old.container', 60, 1);
    let arrive: () => void = () => undefined;
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    let begin: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const receiving = spool.receive('a', 70, trust, async () => {
      put('a.part', 70, 1);
      begin();
      await arrived;
    });
    await begun;
    expect(names()).toEqual(['a.part']);
    await complete('b', 60, 2);
    expect(names()).toEqual(['a.part', 'b.container']);
    arrive();
    expect(await receiving).toBe(spool.containerPath('a'));
  });

  test('finds what others left in it within five minutes', async () => {
    await complete('a', 10, 4);
    put('stray', 95, 1);
    await complete('b', 10, 5);
    expect(names()).toEqual(['a.container', 'b.container', 'stray']);
    clock.advance(lookEveryMs);
    await complete('c', 10, 6);
    expect(names()).toEqual(['a.container', 'b.container', 'c.container']);
  });
});
