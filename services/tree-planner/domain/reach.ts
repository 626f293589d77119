import { createHash } from 'node:crypto';
import type { MeasuredLink, Register } from '#libs/contracts/index.js';
import { origin } from '#libs/tree/hand-out.js';
import type { PlannerView, SegmentEntry } from './planner-view.js';
import { nowhere, type Place } from './segment.js';

/** Control-plane hosts that content is pulled from: region to HTTP base URL; '' is the default. */
export type Origins = ReadonlyMap<string, string>;

type Fleet = Pick<PlannerView, 'segments' | 'places' | 'links'>;

/** How a region's origin is called where several are probed. */
export function originOf(region: string): string {
  return region === '' ? origin : `${origin}/${region}`;
}

/** The leader as it describes itself. */
export function leaderIn(segment: SegmentEntry | undefined): Register | undefined {
  return segment?.members.find(({ node }) => node === segment.leader);
}

/** Where a segment is: as an administrator says, else as its leader does. */
export function placeOf({ segments, places }: Fleet, segment: string): Place {
  const said = places.get(segment) ?? nowhere;
  const leader = leaderIn(segments.get(segment));
  return {
    location: said.location || (leader?.labels.location ?? ''),
    timeZone: said.timeZone || (leader?.timeZone ?? ''),
    region: said.region || (leader?.labels.region ?? ''),
  };
}

/** So much nearer than the default origin another one must be: less is how measurements vary. */
const worthMovingUs = 1_000;

/**
 * The region whose origin and leaders serve a segment: the stated one, else the nearest. Empty, the
 * default one, where the stated region has no origin of its own.
 */
export function regionOf(fleet: Fleet, segment: string, origins: Origins): string {
  if (origins.size <= 1) return '';
  const { region } = placeOf(fleet, segment);
  if (region !== '') return origins.has(region) ? region : '';
  const nearest = [...origins.keys()]
    .map((each) => ({ each, rttUs: rttUs(fleet, segment, originOf(each)) }))
    .filter((found): found is { each: string; rttUs: number } => found.rttUs !== undefined)
    .map(({ each, rttUs }) => ({ each, costUs: rttUs + (each === '' ? 0 : worthMovingUs) }))
    .sort((a, b) => a.costUs - b.costUs)[0];
  return nearest?.each ?? '';
}

/** The origin that serves a region; the default one where the region has none. */
export function originUrlFor(fleet: Fleet, segment: string, origins: Origins): string {
  const url = origins.get(regionOf(fleet, segment, origins)) ?? origins.get('');
  return url ?? [...origins.values()][0] ?? '';
}

/** There and back, microseconds; undefined: not measured, or not reached. */
export function rttUs({ links }: Fleet, from: string, peer: string): number | undefined {
  const link = links.get(from)?.find((each) => each.peer === peer);
  return link?.isReachable ? link.rttUs : undefined;
}

/** To the origin that serves a segment. */
export function originRttUs(fleet: Fleet, segment: string, origins: Origins): number | undefined {
  return rttUs(fleet, segment, originOf(regionOf(fleet, segment, origins)));
}

/** Whether others cannot pull from it: it says so, or everybody who tried found it so. */
export function isLeaf({ segments, links }: Fleet, segment: string): boolean {
  if (leaderIn(segments.get(segment))?.isLeaf) return true;
  return foundReachable(links).get(segment) === false;
}

type Links = Fleet['links'];
/** The view makes new links instead of changing them. */
const foundIn = new WeakMap<Links, ReadonlyMap<string, boolean>>();

/** Peers that somebody has tried to reach, and whether anybody has. */
function foundReachable(links: Links): ReadonlyMap<string, boolean> {
  const known = foundIn.get(links);
  if (known) return known;
  const found = new Map<string, boolean>();
  for (const measured of links.values()) {
    for (const { peer, isReachable } of measured) {
      found.set(peer, isReachable || found.get(peer) === true);
    }
  }
  foundIn.set(links, found);
  return found;
}

/** Whether a segment's leader can pull from a source, as far as is known. */
export function canPull(fleet: Fleet, segment: string, source: string, origins: Origins): boolean {
  if (source === origin) return true;
  if (leaderIn(fleet.segments.get(source))?.isLeaf) return false;
  const link = linkTo(fleet.links.get(segment) ?? [], source);
  if (link ? !link.isReachable : isLeaf(fleet, source)) return false;
  return regionOf(fleet, segment, origins) === regionOf(fleet, source, origins);
}

function linkTo(measured: readonly MeasuredLink[], peer: string): MeasuredLink | undefined {
  return measured.find((link) => link.peer === peer);
}

/** Each leader probes a few, so that each is probed by about as many, however large the fleet. */
const neighbours = 8;
const others = 8;

/** Whom a leader probes: the nearest in location, and some who follow from its name. */
export function peersToProbe(fleet: Fleet, asker: string, origins: Origins): string[] {
  const region = regionOf(fleet, asker, origins);
  const { location } = placeOf(fleet, asker);
  const ranked = [...fleet.segments.values()]
    .filter(({ segment, httpUrl }) => segment !== asker && httpUrl !== '')
    .filter(({ segment }) => regionOf(fleet, segment, origins) === region)
    .map(({ segment }) => ({ segment, rank: rankOf(asker, segment) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .map(({ segment }) => segment);
  const near = ranked.filter((segment) => placeOf(fleet, segment).location === location);
  return [...new Set([...near.slice(0, neighbours), ...ranked])].slice(0, neighbours + others);
}

/** Rendezvous hashing: stable while others come and go. */
function rankOf(asker: string, segment: string): string {
  return createHash('sha256').update(`${asker}\0${segment}`).digest('hex');
}
