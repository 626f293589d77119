/** The control plane's clock as this host knows it. */
export interface ControlClock {
  /** To be added to this host's time. */
  readonly offsetMs: number;
  /** How far the sum may be off; 0: it was never measured. */
  readonly errorMs: number;
}

/** A server whose clock may be off further switches on receipt, and says so. */
export const maxClockErrorMs = 500;

/** Whether a clock is good enough to switch by: it was measured, and is not off too far. */
export function isTrusted({ errorMs }: ControlClock): boolean {
  return errorMs > 0 && errorMs <= maxClockErrorMs;
}
