import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LanHosts } from '#test/bench/lan-hosts.js';
import { until } from '#test/support/until.js';

/** How a host sees its segment. */
interface View {
  readonly leader: string;
  readonly term: string;
  /** At the leader. */
  readonly members: readonly string[];
  readonly mode: string;
  /** Frames that nobody of the segment sent. */
  readonly junk: number;
}

const program = fileURLToPath(new URL('../support/segment-host.js', import.meta.url));
const junkProgram = fileURLToPath(new URL('../support/junk-sender.js', import.meta.url));
const names = ['a', 'b', 'c'];

/** Hosts of a LAN; the last one is the strongest. */
class Segment {
  readonly hosts = new LanHosts(names.length, { lossPerMille: 0, rateMbit: 0 });
  private readonly views = new Map<string, View>();
  private readonly children: ChildProcess[] = [];

  start(): void {
    for (const [host, name] of names.entries()) this.startHost(host, name);
  }

  remove(): void {
    for (const child of this.children) child.kill('SIGKILL');
    this.hosts.remove();
  }

  view(name: string): View {
    return this.views.get(name) ?? { leader: '', term: '', members: [], mode: '', junk: 0 };
  }

  /** All of them follow one, which knows them all. */
  isSettled(among: readonly string[] = names): boolean {
    const leaders = new Set(among.map((name) => this.view(name).leader));
    const [leader = ''] = leaders;
    const { members } = this.view(leader);
    return leaders.size === 1 && members.join() === among.join();
  }

  /** One of the hosts, besides what it does, fills the group. @returns frames that it sent */
  async flood(host: number, framesPerS: number, seconds: number): Promise<number> {
    const { [host]: address = '' } = this.hosts.addresses;
    const args = [junkProgram, address, '239.255.78.1', '47810', `${framesPerS}`, `${seconds}`];
    const child = this.hosts.spawn(host, [process.execPath, ...args]);
    this.children.push(child);
    const [said] = await once(child.stdout ?? child, 'data');
    return (JSON.parse(`${said}`) as { sent: number }).sent;
  }

  private startHost(host: number, name: string): void {
    const addresses = names.map((other, at) => `${other}=${this.hosts.addresses[at]}`);
    const others = addresses.filter((_, at) => at !== host).join(',');
    const { [host]: address = '' } = this.hosts.addresses;
    const args = [program, name, address, `${10 * (host + 1)}`, others];
    const child = this.hosts.spawn(host, [process.execPath, ...args]);
    this.children.push(child);
    if (!child.stdout) throw new Error('a host has no output');
    createInterface({ input: child.stdout }).on('line', (line) =>
      this.views.set(name, JSON.parse(line)),
    );
  }
}

describe('a segment on hosts of its own', () => {
  const obstacle = LanHosts.obstacle();
  let segment: Segment;

  beforeEach(() => {
    if (!obstacle) segment = new Segment();
  });

  afterEach(() => {
    if (!obstacle) segment.remove();
  });

  if (obstacle) {
    test(`needs hosts of its own (${obstacle}): the same machines are simulated elsewhere`, () => {
      expect(LanHosts.obstacle()).toBe(obstacle);
    });
    return;
  }

  test('replaces a leader whose interface goes down, and is one again when it is up', async () => {
    segment.start();
    await until('all follow one', () => segment.isSettled());
    const { leader } = segment.view('a');
    const others = names.filter((name) => name !== leader);
    segment.hosts.setLink(names.indexOf(leader), 'down');
    await until('the others follow one of them', () => segment.isSettled(others));
    expect(segment.view(others[0] ?? '').leader).not.toBe(leader);
    segment.hosts.setLink(names.indexOf(leader), 'up');
    await until('all follow one', () => segment.isSettled());
  }, 60_000);

  test('misses a member whose interface is down, and has it back when it is up', async () => {
    segment.start();
    await until('all follow one', () => segment.isSettled());
    const { leader } = segment.view('a');
    const others = names.filter((name) => name !== leader);
    const [gone = ''] = others;
    const left = names.filter((name) => name !== gone);
    segment.hosts.setLink(names.indexOf(gone), 'down');
    await until('the leader misses it', () => segment.isSettled(left));
    segment.hosts.setLink(names.indexOf(gone), 'up');
    await until('all follow one', () => segment.isSettled());
    expect(segment.view('a').leader).toBe(leader);
  }, 60_000);

  test('keeps its leader and its term through 50,000 junk frames a second', async () => {
    segment.start();
    await until('all follow one', () => segment.isSettled());
    const { leader, term } = segment.view('a');
    const sent = await segment.flood(0, 50_000, 3);
    expect(sent).toBeGreaterThan(100_000);
    await until('they were heard', () => names.every((name) => segment.view(name).junk > 10_000));
    await until('all follow one', () => segment.isSettled());
    for (const name of names) expect(segment.view(name)).toMatchObject({ leader, term });
  }, 60_000);

  test('without multicast has a leader and all members all the same, and says so', async () => {
    for (const host of names.keys()) segment.hosts.blockMulticast(host);
    segment.start();
    await until('all follow one', () => segment.isSettled());
    await until('all say so', () => names.every((name) => segment.view(name).mode === 'unicast'));
  }, 60_000);
});
