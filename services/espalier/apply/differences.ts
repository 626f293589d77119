import type { JsonValue } from '@bufbuild/protobuf';

/** One field that is not as it should be; empty: it is not there. */
export interface Difference {
  readonly path: string;
  readonly from: string;
  readonly to: string;
}

/** What of a JSON value must change to make another of it, field by field. */
export function differences(from: JsonValue | undefined, to: JsonValue): Difference[] {
  const before = from === undefined ? new Map<string, string>() : leavesOf(from, '');
  const after = leavesOf(to, '');
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  return paths
    .map((path) => ({ path, from: before.get(path) ?? '', to: after.get(path) ?? '' }))
    .filter((difference) => difference.from !== difference.to);
}

function leavesOf(value: JsonValue, path: string): Map<string, string> {
  if (typeof value !== 'object' || value === null) {
    return new Map([[path, typeof value === 'string' ? value : JSON.stringify(value)]]);
  }
  const leaves = new Map<string, string>();
  const entries = Array.isArray(value)
    ? value.map((item, index) => [`${path}[${index}]`, item] as const)
    : Object.entries(value).map(
        ([key, item]) => [path === '' ? key : `${path}.${key}`, item] as const,
      );
  for (const [place, item] of entries) {
    for (const [leaf, text] of leavesOf(item as JsonValue, place)) leaves.set(leaf, text);
  }
  return leaves;
}
