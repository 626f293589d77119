import { readSite } from './adapters/site-state.js';
import type { InterpreterPorts } from './ports.js';
import { type SiteLocation, siteLayout } from './site-layout.js';
import type { SitePolicy } from './site-policy.js';

export interface HealthInput extends SiteLocation {
  readonly sitePolicy: Partial<SitePolicy>;
}

/** What the probe of a site says of the version that is live. */
export interface Health {
  readonly sequence: number;
  /** Empty: it is healthy. */
  readonly problem: string;
}

/**
 * Repeats the probe of what is live. Undefined when there is none, when the checks of a switch are
 * not over, or when something else went live meanwhile: nothing is known then.
 */
export async function checkHealth(
  input: HealthInput,
  { programs }: Pick<InterpreterPorts, 'programs'>,
): Promise<Health | undefined> {
  const { probe } = input.sitePolicy;
  if (!probe || !programs) return undefined;
  const layout = siteLayout(input);
  const { live, lastSwitch } = readSite(layout);
  if (live === undefined || !lastSwitch?.confirmed) return undefined;
  const problem = await programs.probe(probe, hostVariables({ ...input, sequence: live }));
  if (readSite(layout).live !== live) return undefined;
  return { sequence: live, problem: problem ?? '' };
}

/** What hooks and probes are told of a version. */
export function hostVariables({
  root,
  site,
  sequence,
  sitePolicy,
}: HealthInput & { readonly sequence: number }): Readonly<Record<string, string>> {
  return {
    ESPALIER_SITE: site,
    ESPALIER_SEQUENCE: String(sequence),
    ESPALIER_LIVE: sitePolicy.liveDirectory ?? `${root}/sites/${site}/live`,
  };
}
