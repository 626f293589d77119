import { DomainError } from '#libs/contracts/index.js';

export class InvalidNode extends DomainError {
  override readonly name = 'InvalidNode';
  constructor(what: string, name: string) {
    super(
      `${JSON.stringify(name)} is not a ${what} name`,
      'use 1 to 63 of letters, digits, ".", "-" and "_", beginning with a letter or digit',
    );
  }
}

export class InvalidPublicKey extends DomainError {
  override readonly name = 'InvalidPublicKey';
  constructor(node: string, options: ErrorOptions) {
    super(
      `the public key of node ${node} cannot be trusted`,
      'let the agent make its key anew and enrol again',
      options,
    );
  }
}

export class NodeIdentityTaken extends DomainError {
  override readonly name = 'NodeIdentityTaken';
  constructor(node: string) {
    super(
      `node ${node} is enrolled with another key`,
      'give this server another node name, or restore the directory of its first agent',
    );
  }
}

/** Thrown for a distribution that nobody planned. */
export class NotPlanned extends Error {
  override readonly name = 'NotPlanned';
  constructor() {
    super('the distribution is not planned');
  }
}

/** Thrown for a segment that is not in a plan. */
export class NotInPlan extends Error {
  override readonly name = 'NotInPlan';
  constructor(assignmentId: string, segment: string) {
    super(`the distribution of assignment ${assignmentId} has no segment ${segment}`);
  }
}
