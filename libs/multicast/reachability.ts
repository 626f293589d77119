import type { UdpAddress } from './control-port.js';

/**
 * How a peer is reached. `unprobed` and `silent` ones are sent to both ways: nothing is known of
 * them yet, or they did not answer.
 */
export type PeerMode = 'unprobed' | 'multicast' | 'unicast' | 'silent';

export interface PeerReach {
  readonly node: string;
  readonly address: UdpAddress;
  readonly mode: PeerMode;
}

interface Round {
  readonly number: number;
  readonly targets: readonly string[];
  readonly answered: ReadonlyMap<string, 'unicast' | 'multicast'>;
  /** How often it was asked. */
  readonly asked: number;
  readonly startedAtMs: number;
}

/** What an agent has found out about the ways to its peers; `step` is all that changes it. */
export interface Reachability {
  readonly peers: ReadonlyMap<string, PeerReach>;
  readonly round?: Round;
  readonly rounds: number;
  readonly wakeAtMs: number;
}

export type ReachInput =
  | { readonly type: 'tick' }
  /** A peer is at this address: it was heard from there, or the control plane says so. */
  | { readonly type: 'peer'; readonly node: string; readonly address: UdpAddress }
  | {
      readonly type: 'reply';
      readonly node: string;
      readonly number: number;
      readonly byMulticast: boolean;
    };

/** Ask these peers, both ways. */
export interface ReachEffect {
  readonly type: 'probe';
  readonly number: number;
  readonly targets: readonly string[];
}

/** A round asks few, so that large segments are not busy with probes. */
const targetsPerRound = 16;
const asksPerRound = 3;
const askEveryMs = 300;
const answerWithinMs = 1_000;
/** Between rounds while there are peers that no round has asked; and when there are none. */
const newPeersEveryMs = 1_000;
const againEveryMs = 60_000;

export function initialReachability(): Reachability {
  return { peers: new Map(), rounds: 0, wakeAtMs: Number.POSITIVE_INFINITY };
}

export function stepReachability(
  state: Reachability,
  input: ReachInput,
  nowMs: number,
): [Reachability, ReachEffect[]] {
  if (input.type === 'peer') return [withPeer(state, input.node, input.address, nowMs), []];
  if (input.type === 'reply') return [withReply(state, input), []];
  if (nowMs < state.wakeAtMs) return [state, []];
  return state.round ? goOn(state, state.round, nowMs) : startRound(state, nowMs);
}

/** `probing`: nobody has answered yet. */
export function segmentMode({
  peers,
}: Reachability): 'multicast' | 'unicast' | 'mixed' | 'probing' {
  const modes = new Set([...peers.values()].map(({ mode }) => mode));
  if (modes.has('multicast')) return modes.has('unicast') ? 'mixed' : 'multicast';
  return modes.has('unicast') ? 'unicast' : 'probing';
}

function withPeer(
  state: Reachability,
  node: string,
  address: UdpAddress,
  nowMs: number,
): Reachability {
  const known = state.peers.get(node);
  const isSame = known?.address.address === address.address && known.address.port === address.port;
  if (known && isSame && known.mode !== 'silent') return state;
  const peers = new Map(state.peers).set(node, { node, address, mode: 'unprobed' });
  const wakeAtMs = state.round ? state.wakeAtMs : Math.min(state.wakeAtMs, nowMs);
  return { ...state, peers, wakeAtMs };
}

function withReply(
  state: Reachability,
  { node, number, byMulticast }: Extract<ReachInput, { type: 'reply' }>,
): Reachability {
  const { round } = state;
  if (!round || number !== round.number || !round.targets.includes(node)) return state;
  if (!byMulticast && round.answered.get(node) === 'multicast') return state;
  const way = byMulticast ? 'multicast' : 'unicast';
  return { ...state, round: { ...round, answered: new Map(round.answered).set(node, way) } };
}

function startRound(state: Reachability, nowMs: number): [Reachability, ReachEffect[]] {
  const targets = nextTargets(state);
  if (targets.length === 0) return [{ ...state, wakeAtMs: Number.POSITIVE_INFINITY }, []];
  const number = state.rounds + 1;
  const round = { number, targets, answered: new Map(), asked: 1, startedAtMs: nowMs };
  const next = { ...state, rounds: number, round, wakeAtMs: nowMs + askEveryMs };
  return [next, [{ type: 'probe', number, targets }]];
}

function goOn(state: Reachability, round: Round, nowMs: number): [Reachability, ReachEffect[]] {
  const waiting = round.targets.filter((node) => round.answered.get(node) !== 'multicast');
  if (waiting.length === 0 || nowMs >= round.startedAtMs + answerWithinMs) {
    return [endRound(state, round, nowMs), []];
  }
  if (round.asked >= asksPerRound) {
    return [{ ...state, wakeAtMs: round.startedAtMs + answerWithinMs }, []];
  }
  const next = { ...state, round: { ...round, asked: round.asked + 1 } };
  const probe: ReachEffect = { type: 'probe', number: round.number, targets: waiting };
  return [{ ...next, wakeAtMs: nowMs + askEveryMs }, [probe]];
}

function endRound(state: Reachability, round: Round, nowMs: number): Reachability {
  const peers = new Map(state.peers);
  for (const node of round.targets) {
    const peer = peers.get(node);
    // At the end of the map: the next rounds ask the others first.
    if (!peer || !peers.delete(node)) continue;
    peers.set(node, { ...peer, mode: round.answered.get(node) ?? 'silent' });
  }
  const isNewLeft = [...peers.values()].some(({ mode }) => mode === 'unprobed');
  const wakeAtMs = nowMs + (isNewLeft ? newPeersEveryMs : againEveryMs);
  return { ...state, peers, round: undefined, wakeAtMs };
}

/** Those that no round has asked come first, then whose last round is longest ago. */
function nextTargets({ peers }: Reachability): string[] {
  const all = [...peers.values()];
  const fresh = all.filter(({ mode }) => mode === 'unprobed');
  const others = all.filter(({ mode }) => mode !== 'unprobed');
  return [...fresh, ...others].slice(0, targetsPerRound).map(({ node }) => node);
}
