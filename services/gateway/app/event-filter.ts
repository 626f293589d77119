import { type CloudEvent, DomainError, eventCatalogue } from '#libs/contracts/index.js';

/** An event as readers get it: a CloudEvent with its place in the log. */
export type FeedEvent = CloudEvent & { readonly sequence: number };

/** Which events a reader wants; every condition that is given must hold. */
export interface EventFilter {
  /** What the run caused, and what others did to it. */
  readonly run?: string;
  /** Events that name the site, and all events of its runs. */
  readonly site?: string;
  /** Events that name the node, or that it caused. */
  readonly node?: string;
  /** Exactly, or with a `*` at its end any actor that begins so: `agent:*`. */
  readonly actor?: string;
  /** Names without the package, e.g. `RunStarted`. */
  readonly types?: readonly string[];
  readonly sinceMs?: number;
  readonly untilMs?: number;
}

export class UnknownEventType extends DomainError {
  override readonly name = 'UnknownEventType';
  constructor(type: string) {
    super(`there is no event ${type}`, 'deploy/asyncapi.json describes every event');
  }
}

/** @throws UnknownEventType */
export function checkTypes(types: readonly string[]): void {
  for (const type of types) {
    if (!(type in eventCatalogue)) throw new UnknownEventType(type);
  }
}

/** A filter at work: it learns from the events that it sees which runs belong to the site. */
export class EventSelection {
  private readonly runsOfSite = new Set<string>();

  constructor(private readonly filter: EventFilter) {}

  /** Looks at an event that is not wanted itself, before the place where the reader begins. */
  learn(event: FeedEvent): void {
    const { site } = this.filter;
    if (site !== undefined && siteOf(event) === site) this.runsOfSite.add(event.correlationid);
  }

  wants(event: FeedEvent): boolean {
    const { run, site, node, actor, types, sinceMs, untilMs } = this.filter;
    this.learn(event);
    if (run !== undefined && event.correlationid !== run && !isOf(run, event)) return false;
    if (site !== undefined && !this.concerns(site, event)) return false;
    if (node !== undefined && !names(event, node)) return false;
    if (actor !== undefined && !fits(actor, event.actor ?? '')) return false;
    if (types && !types.includes(typeName(event))) return false;
    const timeMs = Date.parse(event.time);
    return !(timeMs < (sinceMs ?? timeMs)) && !(timeMs > (untilMs ?? timeMs));
  }

  private concerns(site: string, event: FeedEvent): boolean {
    return siteOf(event) === site || this.runsOfSite.has(event.correlationid);
  }
}

/** The name of an event's type without the package. */
export function typeName({ type }: Pick<FeedEvent, 'type'>): string {
  return type.slice(type.lastIndexOf('.') + 1);
}

/** Something that another run caused. */
function isOf(run: string, { data }: FeedEvent): boolean {
  return (data as { runId?: string } | undefined)?.runId === run;
}

function siteOf({ data, aggregatetype, subject }: FeedEvent): string | undefined {
  const { site } = (data ?? {}) as { site?: string };
  return site ?? (aggregatetype === 'site' ? subject : undefined);
}

function names(event: FeedEvent, node: string): boolean {
  return event.actor === `agent:${node}` || mentions(event.data, node);
}

/** Whether a text is somewhere in a message. */
function mentions(value: unknown, text: string): boolean {
  if (value === text) return true;
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some((part) => mentions(part, text));
}

function fits(pattern: string, actor: string): boolean {
  return pattern.endsWith('*') ? actor.startsWith(pattern.slice(0, -1)) : actor === pattern;
}
