/** Injection tokens of the gateway. */
export const CONTENT_STORE = Symbol('CONTENT_STORE');
export const CONTROL_KEYS = Symbol('CONTROL_KEYS');
export const AGENT_NATS_ACCESS = Symbol('AGENT_NATS_ACCESS');
export const HOST_CONTENT_STORE = Symbol('HOST_CONTENT_STORE');
