import { InvalidName } from './errors.js';

const nameForm = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** Names become subjects of the log, directories and labels. @throws InvalidName */
export function requireName(what: string, name: string): void {
  if (!nameForm.test(name)) throw new InvalidName(what, name);
}
