import { appendRecord } from './adapters/journal-file.js';
import { openSite } from './adapters/site-directory.js';
import { readSite } from './adapters/site-state.js';
import { HookFailed, namedDiskError, SwitchedBack, UnknownVersion } from './errors.js';
import { hostVariables } from './health.js';
import type { InterpreterPorts } from './ports.js';
import type { SiteLayout, SiteLocation } from './site-layout.js';
import { defaultSitePolicy, type SitePolicy } from './site-policy.js';
import { type Switched, type SwitchInput, switchTo } from './switch.js';

export interface GoLiveInput extends SiteLocation {
  readonly sequence: number;
  readonly sitePolicy?: Partial<SitePolicy>;
  /** As in `SwitchInput`: hooks that come before the switch come before this. */
  readonly due?: () => Promise<void>;
  /** As in `SwitchInput`. */
  readonly settle?: () => Promise<void>;
}

/**
 * A switch with all that the host's administrator wants around it: hooks before it, hooks and a
 * probe after it. When one of those after it fails, the former version goes live again.
 * @throws HookFailed: nothing changed; SwitchedBack; otherwise as `switchTo`
 */
export async function goLive(input: GoLiveInput, ports: InterpreterPorts): Promise<Switched> {
  const policy = { ...defaultSitePolicy, ...input.sitePolicy };
  const layout = openSite(input);
  const before = readSite(layout);
  const { sequence } = input;
  if (!before.prepared.has(sequence)) throw new UnknownVersion(input.site, `version ${sequence}`);
  const checks = new Checks(input, policy, ports);
  if (before.live !== sequence) await checks.before();
  const order = { ...switchInput(input, sequence, policy), due: input.due, settle: input.settle };
  const switched = await switchTo(order, ports);
  if (readSite(layout).lastSwitch?.confirmed) return switched;
  await confirm(layout, checks, { ...input, policy, backup: before.backup }, ports);
  return switched;
}

/**
 * Repeats the checks of the live version when the process ended before they had passed. To be
 * called after `recover`. @throws SwitchedBack
 */
export async function confirmLive(
  input: Omit<GoLiveInput, 'sequence'>,
  ports: InterpreterPorts,
): Promise<void> {
  const layout = openSite(input);
  const { lastSwitch, live } = readSite(layout);
  if (!lastSwitch?.done || lastSwitch.confirmed || live !== lastSwitch.sequence) return;
  const policy = { ...defaultSitePolicy, ...input.sitePolicy };
  const order = { ...input, sequence: live, policy };
  await confirm(layout, new Checks(order, policy, ports), order, ports);
}

interface Order extends SiteLocation {
  readonly sequence: number;
  readonly policy: SitePolicy;
  /** What was the backup before the switch. */
  readonly backup?: number;
}

async function confirm(
  layout: SiteLayout,
  checks: Checks,
  order: Order,
  ports: InterpreterPorts,
): Promise<void> {
  const { sequence, policy } = order;
  const { hooks, prepared, backup } = readSite(layout);
  const names = [...new Set([...policy.afterSwitch, ...(hooks.get(sequence) ?? [])])];
  if (names.length === 0 && !policy.probe) return;
  const problem = await checks.after(names);
  const record = {
    sequence,
    treeDigest: prepared.get(sequence) ?? '',
    timeMs: ports.clock.nowMs(),
  };
  try {
    if (problem === undefined) {
      appendRecord(layout.journal, { state: 'CONFIRMED', ...record });
      return;
    }
    const reason = problem.slice(0, 500);
    appendRecord(layout.journal, { state: 'FAILED', ...record, during: 'checks', reason });
    if (backup === undefined || backup === sequence)
      throw new SwitchedBack(sequence, undefined, problem);
    await switchTo({ ...switchInput(order, backup, policy), backup: order.backup }, ports);
  } catch (error) {
    throw namedDiskError(error);
  }
  // The servers must take up the former version; what they say now changes nothing any more.
  await checks.after(policy.afterSwitch);
  throw new SwitchedBack(sequence, backup, problem);
}

function switchInput(location: SiteLocation, sequence: number, policy: SitePolicy): SwitchInput {
  const { keptVersions, liveDirectory } = policy;
  return { root: location.root, site: location.site, sequence, keptVersions, liveDirectory };
}

/** Runs the hooks and the probe of one site's policy. */
class Checks {
  private readonly variables: Readonly<Record<string, string>>;

  constructor(
    { root, site, sequence }: GoLiveInput,
    private readonly policy: SitePolicy,
    private readonly ports: InterpreterPorts,
  ) {
    this.variables = hostVariables({ root, site, sequence, sitePolicy: policy });
  }

  /** @throws HookFailed */
  async before(): Promise<void> {
    for (const name of this.policy.beforeSwitch) {
      const problem = await this.run(name);
      if (problem !== undefined) throw new HookFailed(name, problem);
    }
  }

  /** What did not work, or undefined. */
  async after(hooks: readonly string[]): Promise<string | undefined> {
    for (const name of hooks) {
      const problem = await this.run(name);
      if (problem !== undefined) return `the hook ${JSON.stringify(name)} failed: ${problem}`;
    }
    const { probe } = this.policy;
    const problem = probe && (await this.programs.probe(probe, this.variables));
    return problem && `it is not healthy: ${problem}`;
  }

  private async run(name: string): Promise<string | undefined> {
    const hook = Object.hasOwn(this.policy.hooks, name) ? this.policy.hooks[name] : undefined;
    if (!hook) return 'this host does not allow it';
    return this.programs.runHook(hook, this.variables);
  }

  private get programs() {
    const { programs } = this.ports;
    if (!programs) throw new Error('this interpreter runs no programs');
    return programs;
  }
}
