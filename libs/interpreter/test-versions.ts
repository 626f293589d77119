import { emptyManifest, type Manifest } from '#libs/content-store/manifest.js';
import { file, TestAssignment } from './test-commands.js';

/** Trees of successive versions: file `f` with the version's number, and one that never changes. */
export const testVersions: readonly Manifest[] = [1, 2, 3, 4, 5, 6, 7, 8].map((number) => [
  file('f', String(number)),
  file('same', 'same'),
]);

/** The assignment that makes version `number` from the one before. */
export function assignmentOf(versions: readonly Manifest[], number: number) {
  const assignment = new TestAssignment().put('f', String(number));
  if (number === 1) assignment.put('same', 'same');
  const base = versions[number - 2] ?? emptyManifest;
  const result = versions[number - 1] ?? emptyManifest;
  const header = assignment.header(base, result, { sequence: BigInt(number) });
  return { head: { header }, commands: assignment.commands, data: assignment };
}
