import type { CloudEvent } from './cloud-event.js';

/** Turns a stored event of one version into the next: another `type`, other `data`. */
export type Upcaster = (stored: CloudEvent) => CloudEvent;

/**
 * By wire name, what makes an old version of an event into its successor. The log is never
 * rewritten: an event whose shape changes incompatibly gets a new wire name (`espalier.v2.X`), and
 * an upcaster here for the old one; its golden file stays in the corpus and must go on decoding.
 */
export const upcasters: Readonly<Record<string, Upcaster>> = {};

const mostSteps = 100;

/** The event in the newest version that is known. */
export function upcast(stored: CloudEvent, known = upcasters): CloudEvent {
  let event = stored;
  for (let step = 0; step < mostSteps; step++) {
    const next = known[event.type];
    if (!next) return event;
    event = next(event);
  }
  throw new Error(`the upcasters of ${stored.type} go in a circle`);
}
