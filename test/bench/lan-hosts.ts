import { type ChildProcess, execFileSync, spawn } from 'node:child_process';

/** What the links of the test hosts do. */
export interface LinkOptions {
  /** Share of the multicast datagrams that each receiver loses by itself, in thousandths. */
  readonly lossPerMille: number;
  /** Of the sender's link; 0: as fast as the kernel. */
  readonly rateMbit: number;
}

/** Hosts on one LAN: network namespaces on a bridge. Needs root, iproute2 and nftables. */
export class LanHosts {
  readonly addresses: readonly string[];
  private readonly prefix = `esp${process.pid}`;
  private readonly made: string[] = [];

  /** Why this process cannot make hosts of its own; `undefined`: it can. */
  static obstacle(): string | undefined {
    if (process.platform !== 'linux') return 'network namespaces are made on Linux only';
    if (process.getuid?.() !== 0) return 'network namespaces need root';
    try {
      for (const program of ['ip', 'tc', 'nft']) execFileSync(program, ['-V'], { stdio: 'ignore' });
      new LanHosts(1, { lossPerMille: 0, rateMbit: 0 }).remove();
    } catch (error) {
      return `iproute2 and nftables have to make network namespaces: ${(error as Error).message}`;
    }
    return undefined;
  }

  /** Host 0 is the one that sends. */
  constructor(
    readonly count: number,
    { lossPerMille, rateMbit }: LinkOptions,
  ) {
    this.addresses = Array.from({ length: count }, (_, host) => `10.77.0.${host + 1}`);
    try {
      this.makeBridge();
      for (let host = 0; host < count; host++) this.makeHost(host);
      // A train that is lost as one would be a burst of losses: it is cut where it leaves.
      if (lossPerMille > 0 || rateMbit > 0) this.ip(0, 'link set eth0 gso_max_segs 1');
      if (rateMbit > 0) {
        const shape = `qdisc add dev eth0 root tbf rate ${rateMbit}mbit burst 64kb latency 50ms`;
        this.in(0, ['tc', ...shape.split(' ')]);
      }
      for (let host = 1; lossPerMille > 0 && host < count; host++) this.lose(host, lossPerMille);
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  spawn(host: number, command: readonly string[]): ChildProcess {
    const args = ['netns', 'exec', this.name(host), ...command];
    return spawn('ip', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  }

  /** As somebody does who pulls the cable, or an administrator. */
  setLink(host: number, state: 'up' | 'down'): void {
    this.ip(host, `link set eth0 ${state}`);
  }

  /** Groups get through to this host no more, what is sent to itself does. */
  blockMulticast(host: number): void {
    const rules = [
      'table ip blocked {',
      'chain in { type filter hook prerouting priority 0; ip daddr 224.0.0.0/4 drop; }; }',
    ];
    this.in(host, ['nft', rules.join(' ')]);
  }

  remove(): void {
    for (const name of this.made.splice(0)) execFileSync('ip', ['netns', 'del', name]);
  }

  private name(host: number): string {
    return `${this.prefix}-${host}`;
  }

  private makeBridge(): void {
    const bridge = `${this.prefix}-lan`;
    this.makeNamespace(bridge);
    const link = 'link add lan type bridge mcast_snooping 0';
    execFileSync('ip', ['-n', bridge, ...link.split(' ')]);
    execFileSync('ip', ['-n', bridge, 'link', 'set', 'lan', 'up']);
  }

  private makeHost(host: number): void {
    const [name, bridge] = [this.name(host), `${this.prefix}-lan`];
    this.makeNamespace(name);
    const pair = `link add eth0 type veth peer name port${host} netns ${bridge}`;
    this.ip(host, pair);
    execFileSync('ip', ['-n', bridge, 'link', 'set', `port${host}`, 'master', 'lan', 'up']);
    this.ip(host, `addr add ${this.addresses[host]}/24 dev eth0`);
    this.ip(host, 'link set lo up');
    this.ip(host, 'link set eth0 up');
    this.ip(host, 'route add 224.0.0.0/4 dev eth0');
  }

  private makeNamespace(name: string): void {
    execFileSync('ip', ['netns', 'add', name]);
    this.made.push(name);
  }

  private lose(host: number, perMille: number): void {
    const rules = [
      'table ip lossy {',
      'chain in { type filter hook prerouting priority 0;',
      `ip daddr 224.0.0.0/4 udp length > 500 numgen random mod 1000 < ${perMille} drop; }; }`,
    ];
    this.in(host, ['nft', rules.join(' ')]);
  }

  private ip(host: number, command: string): void {
    execFileSync('ip', ['-n', this.name(host), ...command.split(' ')]);
  }

  private in(host: number, command: readonly string[]): void {
    execFileSync('ip', ['netns', 'exec', this.name(host), ...command]);
  }
}
