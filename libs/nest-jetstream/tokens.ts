/** Injection tokens of the service frame, global in every service. */

/** An `EventLog`. */
export const EVENT_LOG = Symbol('EVENT_LOG');
/** A `Clock`. */
export const CLOCK = Symbol('CLOCK');
/** A `NatsConnection`. */
export const NATS = Symbol('NATS');
/** A `ServiceConfig`. */
export const SERVICE_CONFIG = Symbol('SERVICE_CONFIG');
/** A `Logger`. */
export const LOGGER = Symbol('LOGGER');
/** An `OwnLanes`: what of the log this replica reads. */
export const OWN_LANES = Symbol('OWN_LANES');
/** A `Telemetry`, or undefined. */
export const TELEMETRY = Symbol('TELEMETRY');
