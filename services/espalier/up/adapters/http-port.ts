import { type AddressInfo, createServer } from 'node:net';
import { DomainError } from '#libs/contracts/index.js';

/** Thrown when another program listens where the gateway should. */
export class PortTaken extends DomainError {
  override readonly name = 'PortTaken';
  constructor(port: number) {
    super(
      `port ${port} is taken by another program`,
      'give another one with --http PORT, or 0 for any free one',
    );
  }
}

/** The port if it is free; for 0 any free one. @throws PortTaken */
export function freeHttpPort(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? new PortTaken(port) : error);
    });
    probe.listen(port, host, () => {
      const { port: free } = probe.address() as AddressInfo;
      probe.close(() => resolve(free));
    });
  });
}
