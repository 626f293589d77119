import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { PeerConnections } from '#libs/fleet-http/adapters/peer-http.js';
import { StagingServer } from './adapters/staging-server.js';

export interface StagingServerConfig {
  /** Its name: sites name it. */
  readonly server: string;
  /** The directory of each site that is staged here. */
  readonly directories: Readonly<Record<string, string>>;
  /** Base URL of the gateway, and who signed its certificate, PEM. */
  readonly controlUrl: string;
  readonly controlCa?: string;
  readonly token: string;
  readonly log: (line: string) => void;
}

/** The staging role: scans directories of this host when runs ask, until it is closed. */
export function startStagingServer(config: StagingServerConfig): StagingServer {
  const { controlCa, directories, ...others } = config;
  const http = new PeerConnections();
  if (controlCa) http.identify({ privateKey: '', certificate: '', authorities: [controlCa] });
  const sites = new Map(Object.entries(directories));
  return new StagingServer({ ...others, directories: sites, http, clock: systemClock });
}
