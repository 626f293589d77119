/**
 * The contracts as far as a host needs them that executes assignments: less than half of all. Its
 * thread starts when there is work, and each description of a message takes its time to load.
 */

export * from './domain-error.js';
export * from './generated/espalier/v1/agent_pb.js';
export * from './generated/espalier/v1/assignment_pb.js';
export * from './generated/espalier/v1/manifest_pb.js';
