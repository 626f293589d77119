import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

/** A TCP proxy that can be cut and restored: a firewall between two parties. */
export interface CuttableProxy {
  readonly port: number;
  /** Ends all connections and takes no more. */
  cut(): Promise<void>;
  restore(): Promise<void>;
  /** What the next so many clients say does not reach the other side, as if it were too slow. */
  muteNext(clients: number): void;
  close(): Promise<void>;
}

/** In front of a port of the loopback; with a certificate it ends TLS. */
export async function cuttableProxy(
  targetPort: number,
  tls?: { readonly key: string; readonly cert: string },
): Promise<CuttableProxy> {
  const sockets = new Set<Socket>();
  let clientsToMute = 0;
  const join = (client: Socket) => {
    const target = connect(targetPort, '127.0.0.1');
    const isMuted = clientsToMute > 0;
    if (isMuted) clientsToMute -= 1;
    for (const [one, other] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(one);
      one.setNoDelay(true);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      if (isMuted && one === client) one.resume();
      else one.pipe(other);
    }
  };
  const server = tls ? createTlsServer(tls, join) : createServer(join);
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const cut = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  const muteNext = (clients: number) => {
    clientsToMute = clients;
  };
  return { port, cut, restore: () => listen(port), muteNext, close: cut };
}
