import { execFileSync } from 'node:child_process';

/** A queue must not lose 64 KiB at once where a real one loses a packet. */
const segments = ['gso_max_size', '16000', 'gso_max_segs', '11'];

/** Thrown where namespaces and traffic control cannot be had. */
export class NoNamespaces extends Error {
  override readonly name = 'NoNamespaces';
}

/**
 * Hosts in network namespaces of their own around one switch; every host's link has `bitsPerS`
 * each way. `close` removes all of it. The kernel's `tbf` shapes; the only latency is that of
 * queues.
 */
export class WanNetwork {
  private readonly prefix = `espw${process.pid}`;
  private readonly hub = `${this.prefix}-hub`;
  private readonly made: string[] = [];

  constructor(
    readonly hostCount: number,
    bitsPerS: number,
  ) {
    try {
      this.addNamespace(this.hub);
      this.inHub('ip', 'link', 'add', 'br0', 'type', 'bridge');
      this.inHub('ip', 'link', 'set', 'br0', 'up');
      for (let host = 0; host < hostCount; host++) this.addHost(host, bitsPerS);
    } catch (cause) {
      this.close();
      throw new NoNamespaces(`namespaces cannot be made: ${(cause as Error).message}`, { cause });
    }
  }

  address(host: number): string {
    return `10.77.0.${host + 1}`;
  }

  /** The command line that runs a program on a host. */
  on(host: number, ...command: string[]): string[] {
    return ['ip', 'netns', 'exec', `${this.prefix}-${host}`, ...command];
  }

  /** Bytes over a host's link since it was made, headers included. */
  traffic(host: number): { inBytes: number; outBytes: number } {
    const [program = '', ...args] = this.on(host, 'cat', '/proc/net/dev');
    const line = execFileSync(program, args, { encoding: 'utf8' })
      .split('\n')
      .find((text) => text.trim().startsWith('eth0:'));
    const numbers = line?.split(':')[1]?.trim().split(/\s+/).map(Number) ?? [];
    return { inBytes: numbers[0] ?? 0, outBytes: numbers[8] ?? 0 };
  }

  close(): void {
    for (const name of this.made.splice(0).reverse()) {
      execFileSync('ip', ['netns', 'del', name]);
    }
  }

  private addHost(host: number, bitsPerS: number): void {
    const name = `${this.prefix}-${host}`;
    const port = `p${host}`;
    this.addNamespace(name);
    this.inHub('ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
    this.inHub('ip', 'link', 'set', port, 'master', 'br0', 'up');
    this.inNamespace(name, 'ip', 'link', 'set', 'lo', 'up');
    this.inNamespace(name, 'ip', 'addr', 'add', `${this.address(host)}/24`, 'dev', 'eth0');
    this.inNamespace(name, 'ip', 'link', 'set', 'eth0', 'up');
    this.inNamespace(name, 'ip', 'route', 'add', '224.0.0.0/4', 'dev', 'eth0');
    const shape = ['root', 'tbf', 'rate', `${bitsPerS}bit`, 'burst', '64kb', 'latency', '200ms'];
    this.inNamespace(name, 'ip', 'link', 'set', 'eth0', ...segments);
    this.inHub('ip', 'link', 'set', port, ...segments);
    this.inNamespace(name, 'tc', 'qdisc', 'add', 'dev', 'eth0', ...shape);
    this.inHub('tc', 'qdisc', 'add', 'dev', port, ...shape);
  }

  private addNamespace(name: string): void {
    execFileSync('ip', ['netns', 'add', name], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.made.push(name);
  }

  private inHub(...command: string[]): void {
    this.inNamespace(this.hub, ...command);
  }

  private inNamespace(name: string, ...command: string[]): void {
    const args = ['netns', 'exec', name, ...command];
    execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  }
}
