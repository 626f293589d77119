/** Injection tokens of the gateway. */
export const CONTENT_STORE = Symbol('CONTENT_STORE');
/** Whose turn it is on this host's link to the leaders. */
export const UPLINK = Symbol('UPLINK');
/** The `Mailboxes` of staging servers. */
export const STAGING_MAILBOXES = Symbol('STAGING_MAILBOXES');
export const CONTROL_KEYS = Symbol('CONTROL_KEYS');
export const AGENT_NATS_ACCESS = Symbol('AGENT_NATS_ACCESS');
export const HOST_CONTENT_STORE = Symbol('HOST_CONTENT_STORE');
/** An `EventLog` that has the archived events too. */
export const WHOLE_LOG = Symbol('WHOLE_LOG');
/** The secrets that events from outside are signed with; none: anybody may send them. */
export const INBOUND_SECRETS = Symbol('INBOUND_SECRETS');
