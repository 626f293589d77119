/** Thrown for a value that cannot be set; the message says why. */
export class BadConfiguration extends Error {
  override readonly name = 'BadConfiguration';
}
