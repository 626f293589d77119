import { create, equals } from '@bufbuild/protobuf';
import { type Register, RegisterSchema } from '#libs/contracts/index.js';
import type { UdpAddress } from '#libs/multicast/control-port.js';
import type { SegmentMember } from './segment.js';
import type { RegistrationTimings } from './timings.js';

interface Entry extends SegmentMember {
  /** Infinity for the leader itself. */
  readonly heardAtMs: number;
}

/** The leader's side of registration: who is a member, and when the next report is due. */
export interface Registry {
  readonly timings: RegistrationTimings;
  readonly entries: ReadonlyMap<string, Entry>;
  /** What happened since the last report: "joined a, b; left c". */
  readonly news: ReadonlyMap<string, Change>;
  /** First registration that no report has answered yet. */
  readonly unansweredSinceMs?: number;
  readonly reportAtMs: number;
}

type Change = 'joined' | 'changed' | 'left' | 'silent' | 'duplicate';

export type RegistryInput =
  | { readonly type: 'tick' }
  /** `from` is missing for the leader's own registration. */
  | { readonly type: 'register'; readonly register: Register; readonly from?: UdpAddress }
  /** It said goodbye, or two agents use its name. */
  | { readonly type: 'remove'; readonly node: string; readonly why: 'left' | 'duplicate' };

export type RegistryEffect =
  | { readonly type: 'send-report'; readonly nodes: readonly string[] }
  | { readonly type: 'members-changed'; readonly reason: string };

export function startRegistry(timings: RegistrationTimings, nowMs: number): Registry {
  return {
    timings,
    entries: new Map(),
    news: new Map(),
    reportAtMs: nowMs + timings.reportPeriodMs,
  };
}

export function membersOf({ entries }: Registry): SegmentMember[] {
  return [...entries.values()].map(({ register, address }) => ({ register, address }));
}

export function registryWakeAtMs({ entries, timings, reportAtMs }: Registry): number {
  let earliestMs = reportAtMs;
  for (const { heardAtMs } of entries.values()) {
    earliestMs = Math.min(earliestMs, heardAtMs + timings.expiryMs);
  }
  return earliestMs;
}

export function stepRegistry(
  registry: Registry,
  input: RegistryInput,
  nowMs: number,
): [Registry, RegistryEffect[]] {
  if (input.type === 'register') return [register(registry, input.register, nowMs, input.from), []];
  if (input.type === 'remove') return [remove(registry, input.node, input.why, nowMs), []];
  let next = registry;
  for (const [node, { heardAtMs }] of registry.entries) {
    if (nowMs >= heardAtMs + registry.timings.expiryMs) next = remove(next, node, 'silent', nowMs);
  }
  return nowMs >= next.reportAtMs ? sendReport(next, nowMs) : [next, []];
}

function register(registry: Registry, said: Register, nowMs: number, from?: UdpAddress): Registry {
  const described = create(RegisterSchema, {
    ...said,
    address: from?.address ?? said.address,
    port: from?.port ?? said.port,
  });
  const known = registry.entries.get(said.node);
  const entries = new Map(registry.entries).set(said.node, {
    register: described,
    address: from,
    heardAtMs: from ? nowMs : Number.POSITIVE_INFINITY,
  });
  const next = { ...registry, entries };
  if (!known) return withNews(next, said.node, 'joined', nowMs);
  if (!isSame(known.register, described)) return withNews(next, said.node, 'changed', nowMs);
  // A member that repeats itself before its next sign of life is due has not heard the report.
  const repeats = nowMs - known.heardAtMs < registry.timings.heartbeatMs / 2;
  return repeats ? withReportSoon(next, nowMs) : next;
}

function remove(
  registry: Registry,
  node: string,
  why: 'left' | 'silent' | 'duplicate',
  nowMs: number,
): Registry {
  const entries = new Map(registry.entries);
  if (!entries.delete(node)) return registry;
  return withNews({ ...registry, entries }, node, why, nowMs);
}

function withNews(registry: Registry, node: string, change: Change, nowMs: number): Registry {
  const stillNew = change === 'changed' && registry.news.get(node) === 'joined';
  const news = stillNew ? registry.news : new Map(registry.news).set(node, change);
  return withReportSoon({ ...registry, news }, nowMs);
}

/** The report waits for a quiet moment, but not for ever. */
function withReportSoon(registry: Registry, nowMs: number): Registry {
  const { quietMs } = registry.timings;
  const unansweredSinceMs = registry.unansweredSinceMs ?? nowMs;
  const reportAtMs = Math.min(nowMs + quietMs, unansweredSinceMs + 4 * quietMs);
  return { ...registry, unansweredSinceMs, reportAtMs };
}

function sendReport(registry: Registry, nowMs: number): [Registry, RegistryEffect[]] {
  const effects: RegistryEffect[] = [{ type: 'send-report', nodes: [...registry.entries.keys()] }];
  if (registry.news.size > 0) {
    effects.push({ type: 'members-changed', reason: reasonOf(registry.news) });
  }
  const reportAtMs = nowMs + registry.timings.reportPeriodMs;
  return [{ ...registry, news: new Map(), unansweredSinceMs: undefined, reportAtMs }, effects];
}

function reasonOf(news: ReadonlyMap<string, Change>): string {
  const parts = (['joined', 'changed', 'left', 'silent', 'duplicate'] as const).map((change) => {
    const nodes = [...news].filter(([, what]) => what === change).map(([node]) => node);
    return nodes.length === 0 ? '' : `${change} ${nodes.join(', ')}`;
  });
  return parts.filter((part) => part !== '').join('; ');
}

/** Capacity changes all the time (free disk, uptime): it is stored, but it is no news. */
function isSame(a: Register, b: Register): boolean {
  const stable = (register: Register) =>
    create(RegisterSchema, { ...register, capacity: undefined });
  return equals(RegisterSchema, stable(a), stable(b));
}
