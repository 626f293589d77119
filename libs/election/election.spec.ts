import { describe, expect, it } from '@jest/globals';
import {
  alive,
  candidate,
  claim,
  conceding,
  Hand,
  known,
  leading,
  settings,
  stronger,
  timings,
  unknown,
  voting,
  weaker,
} from './election-by-hand.js';
import { electionWakeAtMs, leaderOf, startElection } from './election-state.js';
import { IllegalTransition, transitionOf, transitions } from './transitions.js';
import { Turn } from './turn.js';

describe('claim 35, state by state', () => {
  it('unknown: a claim of greater priority leads to concession', () => {
    const hand = unknown().hear(claim(stronger));
    expect([hand.state, hand.sent]).toEqual(['conceding', []]);
  });

  it('unknown: silence for a period that the priority determines opens the vote', () => {
    const hand = unknown().wake();
    expect([hand.state, hand.sent]).toEqual(['voting-open', ['send-claim']]);
    expect(hand.effects).toContainEqual({ type: 'send-claim', term: 1n, priority: 100n });
    const weakMs = electionWakeAtMs(new Hand(1n).election);
    const strongMs = electionWakeAtMs(new Hand(5_000n).election);
    expect(strongMs).toBeLessThan(weakMs);
    expect(strongMs).toBeGreaterThanOrEqual(10_000);
    expect(weakMs).toBeLessThanOrEqual(timings.votingWindowMs);
  });

  it('unknown: claims of which none is greater open the vote by a claim, too', () => {
    const hand = unknown().hear(claim(weaker));
    expect(hand.state).toBe('leader-unknown');
    hand.wake();
    expect([hand.state, hand.sent]).toEqual(['voting-open', ['send-claim']]);
  });

  it('conceding: a leader alive is the leader', () => {
    const hand = conceding().hear(alive(stronger));
    expect(hand.state).toBe('leader-known');
    expect(leaderOf(hand.election)).toEqual(stronger);
  });

  it('voting open: silence for the interval makes this node the leader, which says so', () => {
    const hand = voting();
    const openedMs = hand.nowMs;
    hand.wake();
    expect([hand.state, hand.sent]).toEqual(['leader-is-me', ['send-alive']]);
    expect(hand.nowMs - openedMs).toBe(15_000);
  });

  it('voting open: a claim leads back to unknown and is answered by a claim', () => {
    const hand = voting().hear(claim(weaker));
    expect([hand.state, hand.sent]).toEqual(['leader-unknown', ['send-claim']]);
  });

  it('voting open: a greater claim leads by way of unknown to concession', () => {
    const hand = voting().hear(claim(stronger));
    expect(hand.path).toEqual(['leader-unknown', 'conceding']);
    expect(hand.sent).toEqual(['send-claim']);
  });

  it.each([stronger, weaker])('voting open: a leader alive ends the vote (%s)', (leader) => {
    expect(voting().hear(alive(leader)).state).toBe('leader-known');
  });

  it('leader is me: says so each period', () => {
    const hand = leading();
    const sinceMs = hand.nowMs;
    hand.wake();
    expect([hand.nowMs - sinceMs, hand.state, hand.sent]).toEqual([
      timings.leaderAlivePeriodMs,
      'leader-is-me',
      ['send-alive'],
    ]);
  });

  it('leader is me: a greater claim opens the vote by a claim', () => {
    const hand = leading().hear(claim(stronger));
    expect([hand.state, hand.sent]).toEqual(['voting-open', ['send-claim']]);
  });

  it('leader is me: a stronger leader opens the vote and wins it', () => {
    const hand = leading().hear(alive(stronger));
    expect(hand.path).toEqual(['voting-open', 'leader-known']);
    expect(hand.sent).toEqual(['send-claim']);
    expect(hand.effects.at(-1)).toMatchObject({ type: 'leader-changed', isMe: false });
  });

  it('known: silence, no shorter than five seconds, leads to unknown and a claim', () => {
    const hand = known();
    hand.nowMs = 5_000;
    expect(hand.hear({ type: 'tick' }).state).toBe('leader-known');
    hand.wake();
    expect([hand.state, hand.sent]).toEqual(['leader-unknown', ['send-claim']]);
    expect(hand.effects).toContainEqual({ type: 'leader-changed', isMe: false });
  });
});

describe('what Espalier adds to claim 35', () => {
  it('a leader refutes a weaker claim at once, and many with one message', () => {
    const hand = leading();
    hand.nowMs += timings.refutationGapMs;
    expect(hand.hear(claim(weaker)).sent).toEqual(['send-alive']);
    expect(hand.hear(claim(candidate('v', 40n))).sent).toEqual([]);
    const refutedMs = hand.nowMs;
    expect(hand.wake().sent).toEqual(['send-alive']);
    expect(hand.nowMs - refutedMs).toBe(timings.refutationGapMs);
    expect(hand.state).toBe('leader-is-me');
  });

  it('a leader answers a weaker leader of a later term in a term that is later still', () => {
    const hand = leading();
    hand.nowMs += timings.refutationGapMs;
    hand.hear(alive({ ...weaker, term: 7n }));
    expect(hand.effects).toContainEqual({ type: 'send-alive', term: 8n, priority: 100n });
    expect(hand.effects.at(-1)).toMatchObject({ type: 'leader-changed', isMe: true });
  });

  it('a leader does not yield to the old word of a stronger one', () => {
    const hand = leading().hear(claim(stronger)).wake();
    expect(hand.state).toBe('leader-is-me');
    expect(hand.election.term).toBe(2n);
    hand.hear(alive({ ...stronger, term: 1n }));
    expect(hand.state).toBe('leader-is-me');
  });

  it('equal priorities are ordered by the name of the node', () => {
    expect(unknown().hear(claim(candidate('z', 100n))).state).toBe('conceding');
    expect(unknown().hear(claim(candidate('a', 100n))).state).toBe('leader-unknown');
  });

  it('a follower changes to the leader of a later term, not to that of an earlier one', () => {
    const hand = known(candidate('s', 200n, 5n));
    hand.hear(alive(candidate('t', 300n, 4n)));
    expect(leaderOf(hand.election)?.node).toBe('s');
    hand.hear(alive(candidate('t', 10n, 6n)));
    expect(leaderOf(hand.election)?.node).toBe('t');
  });

  it('a follower believes its own leader that starts again at an earlier term', () => {
    const hand = known(candidate('s', 200n, 5n)).hear(alive(candidate('s', 200n, 1n)));
    expect(leaderOf(hand.election)).toEqual(candidate('s', 200n, 1n));
  });

  it('the term rises with each lost leader', () => {
    const hand = known(candidate('s', 200n, 5n)).wake();
    expect(hand.effects).toContainEqual({ type: 'send-claim', term: 6n, priority: 100n });
  });

  it('a concession ends when no leader appears', () => {
    const hand = conceding();
    const sinceMs = hand.nowMs;
    hand.wake();
    expect(hand.state).toBe('leader-unknown');
    expect(hand.nowMs - sinceMs).toBe(timings.concessionLimitMs);
    expect(hand.wake().state).toBe('voting-open');
  });

  it('a concession is renewed by a stronger candidate, not by a weaker one', () => {
    const hand = conceding();
    const firstMs = electionWakeAtMs(hand.election);
    hand.nowMs += 1_000;
    hand.hear(claim(weaker));
    expect(electionWakeAtMs(hand.election)).toBe(firstMs);
    hand.hear(claim(candidate('t', 300n)));
    expect(electionWakeAtMs(hand.election)).toBe(firstMs + 1_000);
  });

  it('a claim of its own leader, deposed meanwhile, sends a follower back to the vote', () => {
    const hand = known(candidate('w', 50n, 5n)).hear(claim(candidate('w', 50n, 6n)));
    expect([hand.state, hand.sent]).toEqual(['leader-unknown', []]);
    expect(hand.election.term).toBe(6n);
    expect(hand.effects.at(-1)).toEqual({ type: 'leader-changed', isMe: false });
    expect(hand.wake().effects).toContainEqual({ type: 'send-claim', term: 6n, priority: 100n });
    const outvoted = known(candidate('s', 200n, 5n)).hear(claim(candidate('s', 200n, 6n)));
    expect(outvoted.path).toEqual(['leader-unknown', 'conceding']);
  });

  it('neither an old claim of its leader nor a question nor a claim of others does', () => {
    for (const other of [
      candidate('s', 200n, 5n),
      candidate('s', 0n, 6n),
      candidate('t', 1n, 6n),
    ]) {
      expect(known(candidate('s', 200n, 5n)).hear(claim(other)).state).toBe('leader-known');
    }
  });

  it('leader and claimant that give way to each other at once do not wait for the silence', () => {
    // The claimant has heard the leader's last word, the leader the claim that deposed it.
    const claimant = voting().hear(alive(weaker));
    expect(claimant.state).toBe('leader-known');
    claimant.hear(claim({ ...weaker, term: 2n }));
    const sinceMs = claimant.nowMs;
    expect(claimant.wake().state).toBe('voting-open');
    expect(claimant.nowMs - sinceMs).toBeLessThanOrEqual(timings.votingWindowMs);
  });

  it('a goodbye of the leader is noticed within the jitter', () => {
    const hand = known();
    const heardMs = hand.nowMs;
    hand.hear({ type: 'leave', node: 's' }).wake();
    expect(hand.state).toBe('leader-unknown');
    expect(hand.nowMs - heardMs).toBeLessThanOrEqual(timings.silenceJitterMs);
  });

  it('a leader just deposed claims before anybody else', () => {
    const hand = leading().hear(alive(stronger)).wake();
    const delayMs = electionWakeAtMs(hand.election) - hand.nowMs;
    expect(delayMs).toBeLessThan(timings.initialClaimDelayMs);
    expect(delayMs).toBeGreaterThanOrEqual(5_000);
  });

  it('a node of priority 0 never claims, but may be asked to later', () => {
    const hand = new Hand(0n);
    expect(electionWakeAtMs(hand.election)).toBe(Number.POSITIVE_INFINITY);
    hand.hear({ type: 'priority', priority: 7n });
    expect(hand.wake().state).toBe('voting-open');
  });

  it('a leader that must not lead any more stops at once and says no more', () => {
    const hand = leading().hear({ type: 'priority', priority: 0n });
    expect(hand.state).toBe('leader-unknown');
    expect(hand.sent).toEqual([]);
    expect(electionWakeAtMs(hand.election)).toBe(Number.POSITIVE_INFINITY);
  });

  it('a newcomer asks for the leader without starting a vote', () => {
    const [, effects] = startElection(settings, 100n, 0);
    expect(effects).toEqual([{ type: 'send-claim', term: 1n, priority: 0n }]);
    const question = claim(candidate('new', 0n));
    expect(voting().hear(question).state).toBe('voting-open');
    const hand = leading();
    hand.nowMs += timings.refutationGapMs;
    expect(hand.hear(question).sent).toEqual(['send-alive']);
  });
});

describe('the transition table', () => {
  it('refuses a change that it does not have', () => {
    expect(() => transitionOf('conceding', 'window-closed', 'leader-is-me')).toThrow(
      IllegalTransition,
    );
    const turn = new Turn(conceding().election, 0);
    expect(() => turn.enter(turn.lead(), 'window-closed')).toThrow(
      'conceding to leader-is-me by window-closed is not in the table',
    );
  });

  it('has no row that the machine never takes', () => {
    const hands = [
      known().wake(),
      known().hear(alive(candidate('t', 1n, 9n))),
      known().hear(claim({ ...stronger, term: 2n })),
      conceding(),
      voting(),
      known(),
      conceding().hear(alive(stronger)),
      conceding().wake(),
      leading(),
      voting().hear(claim(weaker)),
      voting().hear(alive(weaker)),
      leading().hear(claim(stronger)),
      leading().hear(alive(stronger)),
      leading().hear({ type: 'priority', priority: 0n }),
      voting().hear({ type: 'priority', priority: 0n }),
    ];
    const taken = hands.flatMap(({ effects }) =>
      effects.flatMap((e) => (e.type === 'entered' ? [`${e.from} ${e.reason} ${e.to}`] : [])),
    );
    const rows = transitions.map(({ from, reason, to }) => `${from} ${reason} ${to}`);
    expect([...new Set(taken)].sort()).toEqual([...rows].sort());
  });
});
