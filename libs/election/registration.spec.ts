import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { RegisterSchema, RegistrationReportSchema } from '#libs/contracts/index.js';
import {
  type Registration,
  registrationWakeAtMs,
  startRegistration,
  stepRegistration,
} from './registration.js';
import { membersOf, type Registry, startRegistry, stepRegistry } from './registry.js';
import { standardTimings } from './timings.js';

const timings = standardTimings.registration;
const from = { address: '10.0.0.9', port: 4000 };

describe('a member', () => {
  const report = (nodes: string[], leader = 'l') =>
    ({
      type: 'report',
      report: create(RegistrationReportSchema, { leader, nodes }),
    }) as const;

  /** Has registered at 500 ms. */
  function registered(): Registration {
    const state = startRegistration('m', timings, () => 0.5);
    const [led] = stepRegistration(state, { type: 'leader', leader: 'l' }, 0);
    const [sent, effects] = stepRegistration(led, { type: 'tick' }, 500);
    expect(effects).toEqual([{ type: 'send-register' }]);
    return sent;
  }

  it('registers with a leader within a second, and not before', () => {
    const state = startRegistration('m', timings, () => 0.5);
    const [led] = stepRegistration(state, { type: 'leader', leader: 'l' }, 0);
    expect(stepRegistration(led, { type: 'tick' }, 499)[1]).toEqual([]);
    registered();
  });

  it('that a report leaves out registers again after a fixed and a random time', () => {
    const [state] = stepRegistration(registered(), report(['x']), 4_000);
    expect(registrationWakeAtMs(state)).toBe(4_000 + 1_000 + 500);
  });

  it('that a report names, or that another leader leaves out, only shows signs of life', () => {
    const before = registrationWakeAtMs(registered());
    for (const heard of [report(['m']), report(['x'], 'other')]) {
      expect(registrationWakeAtMs(stepRegistration(registered(), heard, 4_000)[0])).toBe(before);
    }
  });

  it('registers at once when its description changes', () => {
    const [state] = stepRegistration(registered(), { type: 'description-changed' }, 700);
    expect(registrationWakeAtMs(state)).toBe(700);
  });
});

describe('a registry', () => {
  const register = (node: string, labels = {}) =>
    ({ type: 'register', register: create(RegisterSchema, { node, labels }), from }) as const;

  function registryWith(...nodes: string[]): Registry {
    return nodes.reduce(
      (registry, node) => stepRegistry(registry, register(node), 0)[0],
      startRegistry(timings, 0),
    );
  }

  it('reports after three quiet seconds, with address and port from the datagram', () => {
    const registry = registryWith('a', 'b');
    expect(stepRegistry(registry, { type: 'tick' }, 2_999)[1]).toEqual([]);
    expect(stepRegistry(registry, { type: 'tick' }, 3_000)[1]).toEqual([
      { type: 'send-report', nodes: ['a', 'b'] },
      { type: 'members-changed', reason: 'joined a, b' },
    ]);
    expect(membersOf(registry)[0]).toMatchObject({ register: from, address: from });
  });

  it('reports at last when it is never quiet', () => {
    let registry = startRegistry(timings, 0);
    for (let n = 0; n <= 12; n++) [registry] = stepRegistry(registry, register(`n${n}`), n * 1_000);
    expect(registry.reportAtMs).toBe(12_000);
  });

  it('repeats its report for a member that repeats itself early, not for a sign of life', () => {
    const [registry] = stepRegistry(registryWith('a'), { type: 'tick' }, 3_000);
    const [repeated] = stepRegistry(registry, register('a'), 4_000);
    expect(stepRegistry(repeated, { type: 'tick' }, 7_000)[1]).toEqual([
      { type: 'send-report', nodes: ['a'] },
    ]);
    const [alive] = stepRegistry(registry, register('a'), 9_500);
    expect(stepRegistry(alive, { type: 'tick' }, 12_500)[1]).toEqual([]);
  });

  it('forgets a member after three and a half silent periods', () => {
    const [registry] = stepRegistry(registryWith('a'), { type: 'tick' }, 34_999);
    expect(registry.entries.size).toBe(1);
    expect(stepRegistry(registry, { type: 'tick' }, 35_000)[0].entries.size).toBe(0);
  });

  it('stores a changed capacity without calling it news', () => {
    const [registry] = stepRegistry(registryWith('a'), { type: 'tick' }, 3_000);
    const changed = create(RegisterSchema, { node: 'a', capacity: { diskFreeBytes: 9n } });
    const [next] = stepRegistry(registry, { type: 'register', register: changed, from }, 12_000);
    expect(membersOf(next)[0]?.register.capacity?.diskFreeBytes).toBe(9n);
    expect(next.news.size).toBe(0);
  });
});
