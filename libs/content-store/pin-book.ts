import { type Clock, sleep } from '#libs/clock/clock.js';
import { decodePin, encodePin, type Pin, type Shelf } from './pins.js';

const pollMs = 20;
/** A sweep that has not ended by then was killed. */
const longestSweepMs = 60_000;

/**
 * Which content must stay. A writer that builds on blobs it found in the store takes a hold first
 * and pins before it releases: while anybody holds, nothing is swept away.
 */
export class PinBook {
  constructor(
    private readonly shelf: Shelf,
    private readonly clock: Clock,
  ) {}

  /** Durable when resolved; replaces a pin of the same name. */
  async pin(name: string, pin: Pin): Promise<void> {
    await this.shelf.put(keyOf('pins', name), encodePin(pin));
  }

  async unpin(name: string): Promise<void> {
    await this.shelf.remove(keyOf('pins', name));
  }

  /** Undefined when there is no pin of that name. @throws MalformedPin */
  async find(name: string): Promise<Pin | undefined> {
    const bytes = await this.shelf.get(keyOf('pins', name));
    return bytes && decodePin(name, bytes);
  }

  /** All pins that keep something now, by name. @throws MalformedPin */
  async pins(): Promise<ReadonlyMap<string, Pin>> {
    const pins = new Map<string, Pin>();
    for (const { key } of await this.shelf.list('pins')) {
      const name = nameOf(key);
      const pin = await this.find(name);
      if (pin && (pin.untilMs ?? Number.POSITIVE_INFINITY) > this.clock.nowMs()) {
        pins.set(name, pin);
      }
    }
    return pins;
  }

  /** Nothing is swept away from now on, until `release` or, after a crash, for `forMs`. */
  async hold(name: string, forMs: number): Promise<void> {
    await this.shelf.put(keyOf('holds', name), untilBytes(this.clock.nowMs() + forMs));
    // Whoever sweeps announced that before it looked for holds: one of both sees the other.
    while (await this.isThere('sweep', 'now')) await sleep(this.clock, pollMs);
  }

  async release(name: string): Promise<void> {
    await this.shelf.remove(keyOf('holds', name));
  }

  /** Runs `action` while nobody holds. @returns whether it ran */
  async sweep(action: () => Promise<void>): Promise<boolean> {
    const key = keyOf('sweep', 'now');
    await this.shelf.put(key, untilBytes(this.clock.nowMs() + longestSweepMs));
    try {
      for (const hold of await this.shelf.list('holds')) {
        if (await this.isThere('holds', nameOf(hold.key))) return false;
      }
      await action();
      return true;
    } finally {
      await this.shelf.remove(key);
    }
  }

  private async isThere(kind: 'holds' | 'sweep', name: string): Promise<boolean> {
    const bytes = await this.shelf.get(keyOf(kind, name));
    return bytes !== undefined && Number(Buffer.from(bytes).toString()) > this.clock.nowMs();
  }
}

const keyOf = (kind: string, name: string) => `${kind}/${encodeURIComponent(name)}`;
const nameOf = (key: string) => decodeURIComponent(key.slice(key.indexOf('/') + 1));
const untilBytes = (untilMs: number) => Buffer.from(String(untilMs));
