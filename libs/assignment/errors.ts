/** For a container that is malformed, damaged, unsigned or out of bounds; `reason` is stable. */
export class AssignmentRefused extends Error {
  override readonly name = 'AssignmentRefused';
  constructor(
    readonly reason:
      | 'malformed'
      | 'untrusted'
      | 'damaged'
      | 'too-large'
      | 'expired'
      | 'out-of-scope'
      | 'wrong-base'
      | 'replayed'
      | 'illegal-command',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
