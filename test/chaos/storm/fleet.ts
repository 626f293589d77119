import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { findFreePort } from '#deploy/embedded/free-port.js';
import { type EmbeddedNats, startNats } from '#deploy/embedded/nats.js';
import { startPostgres } from '#deploy/embedded/postgres.js';
import { pidOf } from '#deploy/embedded/process-identity.js';
import { controlKeysIn } from '#libs/keys/adapters/file-keys.js';
import { scratchDirectory } from '../../support/servers.js';
import { until } from '../../support/until.js';

export const serviceNames = [
  'scheduler',
  'delta',
  'assignment-builder',
  'tree-planner',
  'reporting',
  'gateway',
] as const;

const restartAfterMs = 100;

type EmbeddedServer = Required<Omit<EmbeddedNats, 'agentUser' | 'agentPassword'>>;

/** Every service in several replicas, each a process; nats-server and PostgreSQL beside them. */
export class ReplicatedFleet {
  private readonly replicas: Replica[] = [];
  private readonly gatewayPorts: number[] = [];
  private nextGateway = 0;

  private constructor(
    readonly directory: string,
    readonly nats: EmbeddedServer,
    readonly databaseUrl: string,
    private readonly closeServers: () => Promise<void>,
    readonly joinToken: string,
  ) {}

  static async start(replicas: number): Promise<ReplicatedFleet> {
    const directory = await scratchDirectory();
    const { NATS_URL, DATABASE_URL, ...env } = process.env;
    const nats = (await startNats({ dataDir: directory, env })) as EmbeddedServer;
    const postgres = await startPostgres({ dataDir: directory, env });
    const keys = controlKeysIn(join(directory, 'keys'));
    const joinToken = await keys.joinToken();
    for (const make of [keys.assignmentKeys(), keys.auditKey(), keys.trustRoot()]) await make;
    const closeServers = async () => {
      await postgres.close();
      await nats.close();
    };
    const fleet = new ReplicatedFleet(directory, nats, postgres.url, closeServers, joinToken);
    await mkdir(join(directory, 'logs'));
    for (const name of serviceNames) {
      for (let number = 1; number <= replicas; number++) await fleet.addReplica(name);
    }
    await fleet.untilReady();
    return fleet;
  }

  /** A gateway; another one at each call, as a load balancer does. */
  readonly gatewayUrl = (): string => {
    this.nextGateway = (this.nextGateway + 1) % this.gatewayPorts.length;
    return `http://127.0.0.1:${this.gatewayPorts[this.nextGateway]}`;
  };

  /** What can be killed, by name. */
  get victims(): readonly string[] {
    return [...this.replicas.map(({ name }) => name), 'nats-server', 'postgres'];
  }

  /** Starts one more replica of a service. @returns its name */
  async addReplica(service: string): Promise<string> {
    const count = this.replicas.filter((replica) => replica.service === service).length;
    const port = await findFreePort();
    if (service === 'gateway') this.gatewayPorts.push(port);
    const env = this.environment(port);
    const replica = new Replica(service, `${service}-${count + 1}`, port, env, this.directory);
    this.replicas.push(replica);
    replica.start();
    return replica.name;
  }

  /** SIGKILL; it is started again. @returns whether there was a process */
  async kill(name: string): Promise<boolean> {
    const replica = this.replicas.find((one) => one.name === name);
    if (replica) return replica.kill();
    const file = name === 'postgres' ? 'postgres/postgres.pid' : 'nats/nats-server.pid';
    try {
      process.kill(pidOf(await readFile(join(this.directory, file), 'utf8')), 'SIGKILL');
      return true;
    } catch {
      return false;
    }
  }

  /** Kills a replica for good. */
  async killForGood(name: string): Promise<void> {
    const replica = this.replicas.find((one) => one.name === name);
    await replica?.end('SIGKILL');
  }

  /** Whether a replica says that it can do its work. */
  isReady(name: string): Promise<boolean> {
    const replica = this.replicas.find((one) => one.name === name);
    return replica ? replica.isReady() : Promise.resolve(false);
  }

  async untilReady(): Promise<void> {
    for (const { name } of this.replicas) {
      await until(`${name} is ready`, () => this.isReady(name), { timeoutMs: 180_000 });
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.replicas.map((replica) => replica.end('SIGTERM')));
    await this.closeServers();
    if (process.env.ESPALIER_TEST_KEEP) process.stderr.write(`kept ${this.directory}\n`);
    else await rm(this.directory, { recursive: true, force: true });
  }

  private environment(port: number): NodeJS.ProcessEnv {
    const { NATS_URL, DATABASE_URL, ESPALIER_URL, NODE_OPTIONS, ...others } = process.env;
    const { url, user, password, monitorUrl } = this.nats;
    return {
      ...others,
      NATS_URL: url,
      NATS_USER: user,
      NATS_PASSWORD: password,
      ESPALIER_NATS_MONITOR_URL: monitorUrl,
      DATABASE_URL: this.databaseUrl,
      ESPALIER_DATA_DIR: this.directory,
      ESPALIER_HTTP_PORT: String(port),
      ESPALIER_ORIGIN_URL: 'http://127.0.0.1:1',
      ESPALIER_REPAIR_DELAY_MS: '0',
    };
  }
}

/** One process of a service, started again whenever it ends. */
class Replica {
  private child: ChildProcess | undefined;
  private isWanted = true;

  constructor(
    readonly service: string,
    readonly name: string,
    private readonly port: number,
    private readonly env: NodeJS.ProcessEnv,
    private readonly directory: string,
  ) {}

  start(): void {
    const program = resolve(`dist/services/${this.service}/main.js`);
    const log = createWriteStream(join(this.directory, 'logs', `${this.name}.log`), { flags: 'a' });
    const child = spawn(process.execPath, [program], {
      env: this.env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr?.pipe(log);
    this.child = child;
    child.once('close', () => {
      if (this.isWanted) setTimeout(() => this.isWanted && this.start(), restartAfterMs);
    });
  }

  kill(): boolean {
    return this.child?.kill('SIGKILL') ?? false;
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    this.isWanted = false;
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'close');
    child.kill(signal);
    await ended;
  }

  async isReady(): Promise<boolean> {
    try {
      return (await fetch(`http://127.0.0.1:${this.port}/readyz`)).ok;
    } catch {
      return false;
    }
  }
}
