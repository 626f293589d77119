/** The states of a candidate, one sentence each. */
export const stateMeanings = {
  'leader-known': 'Another node leads and was heard within the silence limit.',
  'leader-unknown': 'No leader is known; the node waits for a claim, or to make its own.',
  'voting-open': 'The node has claimed leadership and listens for objections.',
  conceding: 'A stronger candidate claimed; the node waits for it to lead.',
  'leader-is-me': 'The node leads and says so periodically.',
} as const;

export type StateName = keyof typeof stateMeanings;

export interface Transition {
  readonly from: StateName;
  readonly reason: string;
  readonly to: StateName;
  /** Sent on entry: Leader Claim or Leader Alive. */
  readonly sends: 'claim' | 'alive' | 'nothing';
  /** `claim 35`: the patent's own rule. `addition`: ours, which keeps the outcome. */
  readonly source: 'claim 35' | 'addition';
}

/** Every change of state that exists; `enter` refuses any other and sends what the row says. */
export const transitions = [
  row('leader-known', 'leader-silent', 'leader-unknown', 'claim', 'claim 35'),
  row('leader-known', 'other-leader-alive', 'leader-known', 'nothing', 'addition'),
  row('leader-known', 'leader-claims', 'leader-unknown', 'nothing', 'addition'),
  row('leader-unknown', 'stronger-claim', 'conceding', 'nothing', 'claim 35'),
  row('leader-unknown', 'claim-delay-over', 'voting-open', 'claim', 'claim 35'),
  row('leader-unknown', 'leader-alive', 'leader-known', 'nothing', 'addition'),
  row('conceding', 'leader-alive', 'leader-known', 'nothing', 'claim 35'),
  row('conceding', 'concession-over', 'leader-unknown', 'nothing', 'addition'),
  row('voting-open', 'window-closed', 'leader-is-me', 'alive', 'claim 35'),
  row('voting-open', 'claim-heard', 'leader-unknown', 'claim', 'claim 35'),
  row('voting-open', 'leader-alive', 'leader-known', 'nothing', 'claim 35'),
  row('leader-is-me', 'stronger-claim', 'voting-open', 'claim', 'claim 35'),
  row('leader-is-me', 'stronger-leader-alive', 'voting-open', 'claim', 'claim 35'),
  row('leader-is-me', 'abstains', 'leader-unknown', 'nothing', 'addition'),
  row('voting-open', 'abstains', 'leader-unknown', 'nothing', 'addition'),
] as const;

export type Reason = (typeof transitions)[number]['reason'];

/** Thrown when the election would make a change that the table does not have: a defect. */
export class IllegalTransition extends Error {
  override readonly name = 'IllegalTransition';
}

/** @throws IllegalTransition */
export function transitionOf(from: StateName, reason: Reason, to: StateName): Transition {
  const found = transitions.find((t) => t.from === from && t.reason === reason && t.to === to);
  if (!found) throw new IllegalTransition(`${from} to ${to} by ${reason} is not in the table`);
  return found;
}

/** The table as Markdown, for the README. */
export function transitionTable(): string {
  const columns = ['from', 'reason', 'to', 'sends', 'source'] as const;
  const widths = columns.map((name) =>
    Math.max(name.length, ...transitions.map((transition) => transition[name].length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, n) => cell.padEnd(widths[n] ?? 0)).join(' | ')} |`;
  return [
    line(columns),
    line(widths.map((width) => '-'.repeat(width))),
    ...transitions.map((transition) => line(columns.map((name) => transition[name]))),
  ].join('\n');
}

/** The table as a Mermaid state diagram, for the README. */
export function stateDiagram(): string {
  const arrows = transitions.map((t) => {
    const sends = t.sends === 'nothing' ? '' : ` / ${t.sends}`;
    return `  ${mermaidId(t.from)} --> ${mermaidId(t.to)}: ${t.reason}${sends}`;
  });
  return ['stateDiagram-v2', '  [*] --> leader_unknown', ...arrows].join('\n');
}

function mermaidId(state: StateName): string {
  return state.replaceAll('-', '_');
}

function row<const From extends StateName, const Why extends string, const To extends StateName>(
  from: From,
  reason: Why,
  to: To,
  sends: Transition['sends'],
  source: Transition['source'],
): { from: From; reason: Why; to: To; sends: Transition['sends']; source: Transition['source'] } {
  return { from, reason, to, sends, source };
}
