import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { clean, run, type World, worldOf } from '#libs/multicast/session-world.js';

/*
 * Stories of one multicast session: who takes part and what befalls them, a line `---`, then what
 * the leader announces and how it ends. REWRITE_STORIES=1 writes the second part anew.
 */
const directory = 'test/scenarios';
const separator = '\n---\n';

async function play(story: string): Promise<string> {
  const trace: string[] = [];
  let world: World | undefined;
  for (const line of story.split('\n')) {
    const [verb = '', first = '', second = '', third = '0'] = line.trim().split(' ');
    if (verb === '' || verb === '#') continue;
    if (verb === 'session') {
      const faults = { ...clean, lossShare: Number(third) / 100 };
      world = worldOf(Number(first), Number(second), faults, 1);
    } else if (!world) throw new Error(`a story begins with its session, not with "${line}"`);
    else if (verb === 'deaf') world.network.cutOff.add(first);
    else if (verb === 'dead') world.network.dead.add(first);
    else if (verb === 'late') hearLater(world, first, Number(second));
    else if (verb === 'full') fillDisk(world, first);
    else if (verb === 'send') trace.push(...(await sent(world)));
    else throw new Error(`a story cannot say "${line}"`);
  }
  return `${trace.join('\n')}\n`;
}

function hearLater({ network, clock }: World, node: string, seconds: number): void {
  network.cutOff.add(node);
  clock.schedule(1_000 * seconds, () => network.cutOff.delete(node));
}

function fillDisk({ members }: World, name: string): void {
  const member = members.find(({ node }) => node === name);
  if (member) member.isDiskFull = true;
}

/** What the leader announced, each once, and the outcome. */
async function sent(world: World): Promise<string[]> {
  const trace: string[] = [];
  const outcome = await run(
    world.clock,
    world.send({
      onAnnouncement({ pass, passEnded, participants }) {
        const said = `pass ${pass}${passEnded ? ' ended' : ''}, waiting for ${participants.length}`;
        if (trace.at(-1) !== said) trace.push(said);
      },
    }),
  );
  const { complete, unicast, multicastBytes, repairBytes } = outcome;
  const isEqual = world.members
    .filter(({ node }) => complete.includes(node))
    .every(({ bytes }) => bytes.equals(world.container));
  trace.push(`complete: ${[...complete].sort().join(', ')}${isEqual ? '' : ', WITH WRONG BYTES'}`);
  trace.push(`left to unicast: ${[...unicast].sort().join(', ') || 'nobody'}`);
  trace.push(`sent ${multicastBytes} bytes, and ${repairBytes} to repair`);
  return trace;
}

describe('stories of a session', () => {
  const files = readdirSync(directory).filter((name) => /^session-.*\.txt$/.test(name));

  it('exist', () => expect(files.length).toBeGreaterThan(0));

  it.each(files)('%s', async (file) => {
    const [story = '', expected] = readFileSync(`${directory}/${file}`, 'utf8').split(separator);
    const told = await play(story);
    if (process.env.REWRITE_STORIES) {
      writeFileSync(`${directory}/${file}`, `${story.trimEnd()}${separator}${told}`);
    } else expect(told).toBe(expected);
  });
});
