import { EventEmitter, once } from 'node:events';
import type { NatsConnection } from '@nats-io/nats-core';

/** The connection was lost while something waited for an answer. */
export class LinkLost extends Error {
  override readonly name = 'LinkLost';
}

/** Whether a connection that reconnects for ever is up at present. */
export class NatsLink {
  private up = true;
  private readonly changes = new EventEmitter().setMaxListeners(0);

  constructor(private readonly nats: NatsConnection) {
    void this.watch();
  }

  get isUp(): boolean {
    return this.up && !this.nats.isClosed();
  }

  /** Resolves to true when it is up, to false when it is not after the timeout. */
  async whenUp(timeoutMs: number): Promise<boolean> {
    if (this.isUp) return true;
    try {
      await once(this.changes, 'up', { signal: AbortSignal.timeout(timeoutMs) });
      return true;
    } catch {
      return false;
    }
  }

  /** @throws LinkLost as soon as the connection is lost before the work is done */
  async whileUp<T>(work: Promise<T>): Promise<T> {
    let tellLoss: () => void = () => undefined;
    const loss = new Promise<never>((_, reject) => {
      tellLoss = () => reject(new LinkLost('the connection to NATS was lost'));
    });
    this.changes.once('down', tellLoss);
    try {
      return await Promise.race([work, loss]);
    } finally {
      this.changes.off('down', tellLoss);
    }
  }

  private async watch(): Promise<void> {
    for await (const { type } of this.nats.status()) {
      if (type !== 'disconnect' && type !== 'reconnect') continue;
      this.up = type === 'reconnect';
      this.changes.emit(this.up ? 'up' : 'down');
    }
  }
}
