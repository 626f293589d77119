import type { PeerHttp } from '#libs/fleet-http/adapters/peer-http.js';

const timeoutMs = 5_000;

/** Brings a signed notification to another leader. @throws when that does not take it */
export async function tellLeader(
  http: PeerHttp,
  url: string,
  signed: Uint8Array,
  traceparent: string,
): Promise<void> {
  const { status, body } = await http.request(url, {
    method: 'POST',
    headers: traceparent ? { traceparent } : {},
    body: signed,
    signal: AbortSignal.timeout(timeoutMs),
    expect: 'fleet',
  });
  body.resume();
  if (status !== 204) throw new Error(`${url} answered ${status}`);
}
