import { create } from '@bufbuild/protobuf';
import {
  type Notification,
  NotificationSchema,
  StripeSourcesSchema,
} from '#libs/contracts/index.js';
import { origin } from '#libs/tree/hand-out.js';
import type { Slot } from './distribution.js';
import type { Delivery, PlannerView } from './planner-view.js';
import { canPull, type Origins, originUrlFor } from './reach.js';
import { sessionQuorum } from './session-quorum.js';

/**
 * What the leader of a segment is told when it shall pull from `source` (`origin` or a segment).
 * The origin is always among the sources, so that a lost leader costs a retry only.
 */
export function notificationFor(
  delivery: Delivery,
  segment: string,
  source: string,
  view: PlannerView,
  origins: Origins,
): Notification {
  const { assignmentId, runId, site, sequence, type, containerDigest, containerBytes } =
    delivery.assignment;
  const slot = slotsOf(delivery).get(segment);
  const located = (names: readonly string[]) => locate(segment, names, view, origins);
  const whole = located([source, slot?.source ?? '', origin]);
  const stripes = (slot?.stripes ?? []).map((names) =>
    create(StripeSourcesSchema, { sources: located([...names, origin]) }),
  );
  return create(NotificationSchema, {
    assignmentId,
    runId,
    site,
    sequence,
    type,
    containerDigest,
    containerBytes,
    segment,
    source,
    sourceUrls: whole.map(({ url }) => url),
    stripes: stripes.length > 0 ? stripes : [create(StripeSourcesSchema, { sources: whole })],
    nodes: [...(slot?.nodes ?? [])],
    sessionQuorum: sessionQuorum(delivery.commit, slot?.nodes.length ?? 0),
    traceparent: delivery.traceparent,
  });
}

/** The named sources that the segment's leader can reach, each once. */
function locate(segment: string, names: readonly string[], view: PlannerView, origins: Origins) {
  const originUrl = originUrlFor(view, segment, origins);
  return [...new Set(names)]
    .filter((name) => canPull(view, segment, name, origins))
    .map((name) => {
      const url = name === origin ? originUrl : view.segments.get(name)?.httpUrl;
      return { name, url: url ?? '' };
    })
    .filter(({ url }) => url !== '');
}

function slotsOf({ distribution }: Delivery): { get(segment: string): Slot | undefined } {
  return distribution.situation === 'unplanned' ? new Map() : distribution.slots;
}
