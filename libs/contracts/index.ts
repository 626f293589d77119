/** The contracts: generated message types, event catalogue, subjects and the CloudEvents codec. */

export * from './body-encryption.js';
export * from './cdevents.js';
export * from './cloud-event.js';
export * from './cloud-events.js';
export * from './domain-error.js';
export * from './event-catalogue.js';
export * from './exit-status.js';
export * from './generated/espalier/v1/agent_pb.js';
export * from './generated/espalier/v1/api_pb.js';
export * from './generated/espalier/v1/assignment_pb.js';
export * from './generated/espalier/v1/commands_pb.js';
export * from './generated/espalier/v1/events_pb.js';
export * from './generated/espalier/v1/manifest_pb.js';
export * from './generated/espalier/v1/operations_pb.js';
export * from './generated/espalier/v1/staging_pb.js';
export * from './recorded-event.js';
export * from './subjects.js';
export * from './triggers.js';
export * from './unreadable-event.js';
export * from './upcasters.js';
