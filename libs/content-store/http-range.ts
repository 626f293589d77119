/** What a request asks of a resource: all of it, a part, or something that is not there. */
export type RequestedRange =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly offset: number; readonly length: number }
  | { readonly kind: 'unsatisfiable' };

/**
 * Reads a Range header (RFC 9110, section 14.2). Of several ranges, and of units other than bytes,
 * none is served: the whole is.
 */
export function requestedRange(header: string | undefined, sizeBytes: number): RequestedRange {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  const [, first, last] = match ?? [];
  if (!match || (first === '' && last === '')) return { kind: 'whole' };
  if (first === '') return part(Math.max(0, sizeBytes - Number(last)), sizeBytes, sizeBytes);
  const end = last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes);
  return part(Number(first), end, sizeBytes);
}

function part(offset: number, end: number, sizeBytes: number): RequestedRange {
  if (offset >= sizeBytes || end <= offset) return { kind: 'unsatisfiable' };
  return { kind: 'part', offset, length: end - offset };
}
