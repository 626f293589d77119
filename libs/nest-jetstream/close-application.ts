import type { Server } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import { type Clock, sleep } from '#libs/clock/clock.js';

const lookEveryMs = 100;

/**
 * Closes an application as soon as the requests under way are answered. Its HTTP server by itself
 * closes only what is idle when it is told, and keeps a connection whose answer ends a moment later
 * for as long as clients may be silent: more than a minute.
 */
export async function closeApplication(app: INestApplication, clock: Clock): Promise<void> {
  const server: Server = app.getHttpServer();
  let isClosed = false;
  const closed = app.close().finally(() => {
    isClosed = true;
  });
  while (!isClosed) {
    server.closeIdleConnections();
    await Promise.race([closed, sleep(clock, lookEveryMs)]);
  }
  await closed;
}
