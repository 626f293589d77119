import type { PeerHttp } from '#libs/fleet-http/adapters/peer-http.js';

const samples = 3;
const timeoutMs = 3_000;

/**
 * The quickest of a few round trips, in microseconds; the first pays for the connection. 0: nobody
 * of this fleet answers there.
 */
export async function probePeer(http: PeerHttp, url: string): Promise<number> {
  let bestUs = Number.POSITIVE_INFINITY;
  try {
    for (let sample = 0; sample < samples; sample++) {
      const sentMs = performance.now();
      const signal = AbortSignal.timeout(timeoutMs);
      const { body } = await http.request(`${url}/livez`, { signal, expect: 'fleet' });
      for await (const _ of body);
      bestUs = Math.min(bestUs, (performance.now() - sentMs) * 1_000);
    }
  } catch {
    return 0;
  }
  return Math.max(1, Math.round(bestUs));
}
