import { request } from 'node:https';
import { text } from 'node:stream/consumers';

/** Asks as a load balancer does that does not look at certificates. */
export function askUnverified(url: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { rejectUnauthorized: false }, (response) => {
      const { statusCode: status = 0 } = response;
      text(response).then((said) => resolve({ status, text: said }), reject);
    });
    asked.once('error', reject);
    asked.end();
  });
}
