import { readFileSync } from 'node:fs';
import { type HostPolicy, noHostPolicy, parseHostPolicy } from '../host-policy.js';

/** Read once at the agent's start; without a file nothing is allowed. @throws BadHostPolicy */
export function readHostPolicy(path: string): HostPolicy {
  try {
    return parseHostPolicy(readFileSync(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return noHostPolicy;
    throw error;
  }
}
