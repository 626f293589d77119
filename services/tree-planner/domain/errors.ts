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

export class UnknownNode extends DomainError {
  override readonly name = 'UnknownNode';
  constructor(node: string) {
    super(`there is no server ${node}`, 'espalier get nodes lists them');
  }
}

/** The key of a server that has left for good. */
export class KeyWasRemoved extends DomainError {
  override readonly name = 'KeyWasRemoved';
  constructor(node: string) {
    super(
      `the server that was ${node} with this key is removed`,
      'a server that comes back needs a new key: start its agent with an empty directory',
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

export class UnknownSegment extends DomainError {
  override readonly name = 'UnknownSegment';
  constructor(segment: string) {
    super(`there is no segment ${segment}`, 'espalier get segments lists them');
  }
}

export class InvalidSegmentName extends DomainError {
  override readonly name = 'InvalidSegmentName';
  constructor(name: string) {
    super(
      `${JSON.stringify(name)} cannot be the name of a segment`,
      'use 1 to 63 characters that neither begin nor end with a space',
    );
  }
}

export class SegmentNameTaken extends DomainError {
  override readonly name = 'SegmentNameTaken';
  constructor(name: string, by: string) {
    super(`segment ${by} is called ${name} already`, 'take another name, or rename that one first');
  }
}

export class InvalidPlace extends DomainError {
  override readonly name = 'InvalidPlace';
  constructor(reason: string) {
    super(reason, 'give a short location and region, and a time zone such as Europe/Paris');
  }
}

export class InvalidOrder extends DomainError {
  override readonly name = 'InvalidOrder';
  constructor(reason: string) {
    super(reason, 'name each segment once; espalier tree show lists them');
  }
}

export class CircularTree extends DomainError {
  override readonly name = 'CircularTree';
  constructor(way: readonly string[]) {
    super(
      `the sources go round in a circle: ${way.join(' from ')}`,
      'let one of them pull from origin or from a segment outside the circle',
    );
  }
}

/** An agent's question that it puts in the name of another. */
export class AskedForAnother extends DomainError {
  override readonly name = 'AskedForAnother';
  constructor(actor: string, leader: string) {
    super(`${actor} asks in the name of ${leader}`, 'ask as the leader that you are');
  }
}
