export interface NatsSettings {
  readonly port: number;
  readonly monitorPort: number;
  /** NATS over WebSocket, for agents. */
  readonly websocketPort: number;
  readonly storeDirectory: string;
  readonly password: string;
  readonly agentPassword: string;
}

export const controlUser = 'control';
export const agentUser = 'agent';

/** The configuration of a nats-server for the loopback; agents can only do what agents do. */
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
    {
      user: ${agentUser}
      password: ${quoted(settings.agentPassword)}
      permissions {
        publish: [ "ingress.>", "presence.>", "progress.>", "agentreq.>" ]
        subscribe: [ "agent.>", "_INBOX.>" ]
        allow_responses: true
      }
    }
  ]
}
`;
}
