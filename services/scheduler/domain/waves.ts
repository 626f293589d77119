import { JobType, type Rollout, type RolloutWave } from '#libs/contracts/index.js';
import { InvalidRollout } from './errors.js';
import { matches, parseSelector } from './selector.js';
import type { Server } from './targets.js';

type WaveServers = Pick<RolloutWave, 'name' | 'nodes'>;

/**
 * The servers of each wave: nobody is in two, and who is in none comes last, together. Shares and
 * counts take servers in the order of their names; shares are of all servers.
 * @throws InvalidRollout
 */
export function wavesOf({ waves }: Rollout, servers: readonly Server[]): WaveServers[] {
  const left = [...servers].sort((a, b) => (a.name < b.name ? -1 : 1));
  const taken: WaveServers[] = [];
  for (const [index, { members }] of waves.entries()) {
    const { name, isIn } = membership(members, servers.length, index);
    const chosen = left.filter(isIn);
    for (const server of chosen) left.splice(left.indexOf(server), 1);
    if (chosen.length > 0) taken.push({ name, nodes: chosen.map((server) => server.name) });
  }
  if (left.length > 0) taken.push({ name: 'the rest', nodes: left.map((server) => server.name) });
  return taken;
}

/** @throws InvalidRollout for a rollout that can mean nothing */
export function requireWaves(type: JobType, rollout: Rollout): void {
  if (type !== JobType.PUBLISH) throw new InvalidRollout('only a publish goes in waves');
  for (const [index, { members }] of rollout.waves.entries()) membership(members, 1, index);
  const percents = [rollout.successPercent, rollout.errorPercent];
  if (percents.some((percent) => percent > 100)) {
    throw new InvalidRollout('a threshold is more than 100 %');
  }
}

function membership(members: Rollout['waves'][number]['members'], total: number, index: number) {
  switch (members.case) {
    case 'percent': {
      if (members.value < 1 || members.value > 100) {
        throw new InvalidRollout(`wave ${index + 1} is ${members.value} % of the servers`);
      }
      const most = Math.max(1, Math.ceil((total * members.value) / 100));
      const isIn = (_: Server, place: number) => place < most;
      return { name: `${members.value} %`, isIn };
    }
    case 'count': {
      const most = members.value;
      if (most < 1) throw new InvalidRollout(`wave ${index + 1} is of no server`);
      return { name: `${most} servers`, isIn: (_: Server, place: number) => place < most };
    }
    case 'segment':
      return {
        name: `segment ${members.value}`,
        isIn: ({ segment }: Server) => segment === members.value,
      };
    case 'selector': {
      const selector = parseSelector(members.value);
      return { name: members.value, isIn: ({ labels }: Server) => matches(selector, labels) };
    }
    case undefined:
      throw new InvalidRollout(`wave ${index + 1} says of no server that it is in it`);
  }
}
