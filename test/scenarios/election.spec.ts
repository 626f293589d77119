import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { AssignmentReportSchema, NodeStatus } from '#libs/contracts/index.js';
import { SimulatedSegment } from '#libs/testkit/simulated-segment.js';

/*
 * A story is a text file: what happens, a line `---`, then the changes of state that follow. After
 * a deliberate change of the protocol, REWRITE_STORIES=1 writes the second part anew.
 */
const directory = 'test/scenarios';
const separator = '\n---\n';

async function play(story: string): Promise<string> {
  const segment = new SimulatedSegment(1);
  for (const line of story.split('\n')) {
    perform(segment, line.trim());
    // What waits for reports goes on.
    await new Promise(setImmediate);
  }
  return `${segment.trace.join('\n')}\nleads: ${segment.leaders().join(', ')}\n`;
}

function perform(segment: SimulatedSegment, line: string): void {
  const [verb = '', ...words] = line.split(' ');
  const [first = '', second = ''] = words;
  const { network } = segment;
  const verbs: Record<string, () => void> = {
    '': () => {},
    '#': () => {},
    start: () => segment.start(first, BigInt(second)),
    pass: () => segment.clock.advance(Number(first) * 1_000),
    crash: () => segment.crash(first),
    leave: () => segment.agent(first).segment.close(),
    pause: () => network.pause(first),
    resume: () => network.resume(first),
    partition: () => network.partition(words.map((group) => group.split(','))),
    heal: () => network.heal(),
    deafen: () => network.block(second, first),
    loss: () => network.setLossRate(Number(first) / 100),
    label: () => {
      segment.agent(first).labels = { told: second };
      segment.agent(first).segment.describeChanged();
    },
    collect: () => void collect(segment, words),
    report: () => segment.agent(first).segment.report(prepared(first)),
    reports: () => segment.trace.push(...(collected.get(segment) ?? ['no report yet'])),
    members: () => segment.trace.push(`members: ${membersOf(segment)}`),
  };
  const action = verbs[verb];
  if (!action) throw new Error(`a story cannot say "${line}"`);
  action();
}

const assignmentId = 'www-1';
const collected = new WeakMap<SimulatedSegment, string[]>();

/** The leader waits for what these nodes report of one assignment. */
async function collect(segment: SimulatedSegment, nodes: readonly string[]): Promise<void> {
  const [leader = ''] = segment.leaders();
  const reports = await segment.agent(leader).segment.collectReports(assignmentId, nodes);
  const lines = reports.map(({ node, status }) => `report of ${node}: ${NodeStatus[status]}`);
  collected.set(segment, lines);
}

function prepared(node: string) {
  const status = NodeStatus.PREPARED;
  return create(AssignmentReportSchema, { node, assignmentId, status });
}

/** Whom the leader has registered. */
function membersOf(segment: SimulatedSegment): string {
  const [leader] = segment.leaders();
  return leader === undefined ? 'nobody leads' : segment.agent(leader).memberNames.join(', ');
}

describe('stories of a segment', () => {
  const files = readdirSync(directory).filter((name) =>
    /^(election|claims|registrations|reports)-.*\.txt$/.test(name),
  );

  it('exist', () => expect(files.length).toBeGreaterThan(0));

  it.each(files)('%s', async (file) => {
    const [story = '', expected] = readFileSync(`${directory}/${file}`, 'utf8').split(separator);
    const told = await play(story);
    if (process.env.REWRITE_STORIES) {
      writeFileSync(`${directory}/${file}`, `${story.trimEnd()}${separator}${told}`);
    } else expect(told).toBe(expected);
  });
});
