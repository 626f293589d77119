export interface NatsSettings {
  readonly port: number;
  readonly monitorPort: number;
  /** NATS over WebSocket, for agents. */
  readonly websocketPort: number;
  readonly storeDirectory: string;
  readonly password: string;
  /** Who says which agent a connection is of, and what it may do: the key of a NATS account. */
  readonly issuer: string;
}

export const controlUser = 'control';

/** The configuration of a nats-server for the loopback; agents are let in by the gateway. */
export function natsConfig(settings: NatsSettings): string {
  const quoted = (text: string) => JSON.stringify(text);
  return `listen: "127.0.0.1:${settings.port}"
http: "127.0.0.1:${settings.monitorPort}"
websocket { listen: "127.0.0.1:${settings.websocketPort}", no_tls: true }
max_payload: 8MB
max_pending: 64MB
jetstream {
  store_dir: ${quoted(settings.storeDirectory)}
  sync_interval: always
  max_memory_store: 256MB
  max_file_store: 1TB
}
authorization {
  users: [
    { user: ${controlUser}, password: ${quoted(settings.password)} }
  ]
  auth_callout { issuer: ${settings.issuer}, auth_users: [ ${controlUser} ] }
}
`;
}
