/**
 * A refusal that a user can act on: `name` is the stable code, `message` says what and why,
 * `remedy` what to do. Only these cross service borders with their text.
 */
export abstract class DomainError extends Error {
  constructor(
    message: string,
    readonly remedy: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
