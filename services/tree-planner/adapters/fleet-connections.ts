import type { Cancel, Clock } from '#libs/clock/clock.js';
import { PeerConnections } from '#libs/fleet-http/adapters/peer-http.js';
import type { ControlKeys } from '#libs/keys/key-provider.js';

/** Certificates live for days. */
const renewEveryMs = 12 * 3_600_000;

/** Connections to leaders, with the control plane's certificate. */
export class FleetConnections {
  readonly http = new PeerConnections();
  private cancelRenewal: Cancel = () => undefined;

  private constructor(
    private readonly keys: ControlKeys,
    private readonly clock: Clock,
  ) {}

  static async open(keys: ControlKeys, clock: Clock): Promise<FleetConnections> {
    const connections = new FleetConnections(keys, clock);
    await connections.renew();
    return connections;
  }

  /** Called by the framework when the planner stops. */
  onModuleDestroy(): void {
    this.cancelRenewal();
    this.http.close();
  }

  private async renew(): Promise<void> {
    this.http.identify(await this.keys.tlsIdentity(this.clock.nowMs()));
    this.cancelRenewal = this.clock.schedule(renewEveryMs, () => void this.renew());
  }
}
