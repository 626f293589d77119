import type { IncomingHttpHeaders } from 'node:http';

/** What `Authorization: Bearer ...` shows (RFC 6750); empty: nothing. */
export function bearerToken({ authorization = '' }: IncomingHttpHeaders): string {
  return /^Bearer (\S+)$/.exec(authorization)?.[1] ?? '';
}
