import type { Random } from '#libs/clock/clock.js';
import type { RegistrationReport } from '#libs/contracts/index.js';
import type { RegistrationTimings } from './timings.js';

/** A member's side: it registers until a report of its leader names it, then as a sign of life. */
export interface Registration {
  readonly node: string;
  readonly timings: RegistrationTimings;
  readonly random: Random;
  /** `undefined`: there is nobody to register with. */
  readonly leader?: string;
  /** When the next registration is due. */
  readonly registerAtMs: number;
}

export type RegistrationInput =
  | { readonly type: 'tick' }
  /** The leader, unless it is this node. */
  | { readonly type: 'leader'; readonly leader?: string }
  | { readonly type: 'report'; readonly report: RegistrationReport }
  | { readonly type: 'description-changed' };

export interface RegistrationEffect {
  readonly type: 'send-register';
}

export function startRegistration(
  node: string,
  timings: RegistrationTimings,
  random: Random,
): Registration {
  return { node, timings, random, registerAtMs: Number.POSITIVE_INFINITY };
}

export function registrationWakeAtMs(state: Registration): number {
  return state.registerAtMs;
}

export function stepRegistration(
  state: Registration,
  input: RegistrationInput,
  nowMs: number,
): [Registration, RegistrationEffect[]] {
  const { timings, random } = state;
  switch (input.type) {
    case 'tick': {
      if (nowMs < state.registerAtMs) return [state, []];
      const registerAtMs = nowMs + timings.heartbeatMs * (0.9 + 0.1 * random());
      return [{ ...state, registerAtMs }, [{ type: 'send-register' }]];
    }
    case 'leader': {
      const spreadMs = timings.registerSpreadMs * random();
      const registerAtMs = input.leader === undefined ? Number.POSITIVE_INFINITY : nowMs + spreadMs;
      return [{ ...state, leader: input.leader, registerAtMs }, []];
    }
    case 'report': {
      const { report } = input;
      if (report.leader !== state.leader || report.nodes.includes(state.node)) return [state, []];
      const repeatAtMs = nowMs + timings.repeatDelayMs + timings.repeatJitterMs * random();
      return [{ ...state, registerAtMs: Math.min(state.registerAtMs, repeatAtMs) }, []];
    }
    case 'description-changed':
      return [state.leader === undefined ? state : { ...state, registerAtMs: nowMs }, []];
  }
}
