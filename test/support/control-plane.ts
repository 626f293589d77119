import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { identityOf, pidOf } from '#deploy/embedded/process-identity.js';
import { run } from '#deploy/embedded/run.js';
import { ApiClient, type FeedEvent } from '#services/espalier/client/api-client.js';
import { type Child, type Ended, espalier } from './child.js';
import { scratchDirectory } from './servers.js';
import { until } from './until.js';

export interface ControlPlaneShape {
  readonly segments: number;
  /** Servers in each. */
  readonly nodes: number;
  readonly env?: NodeJS.ProcessEnv;
}

/** The documented part of what `publish --wait -o json` prints. */
export interface Published {
  readonly runId: string;
  readonly status: string;
  readonly reason: string;
  readonly durationMs: number;
  readonly assignments: readonly { id: string; sequence: string; bytes: number }[];
  readonly nodes: readonly { node: string; segment: string; status: string }[];
  readonly bytes: { wan: number; multicast: number; unicast: number };
}

/** `espalier up` as a process of its own on a scratch directory, and what users do with it. */
export class ControlPlane {
  private child: Child | undefined;
  private ready = { url: '', dataDir: '', agentUrl: '' };

  private constructor(
    /** Scratch space of this control plane; staging directories go here too. */
    readonly directory: string,
    private readonly shape: ControlPlaneShape,
  ) {}

  static async start(shape: ControlPlaneShape): Promise<ControlPlane> {
    const plane = new ControlPlane(await scratchDirectory(), shape);
    try {
      await plane.restart();
      return plane;
    } catch (error) {
      await plane.close();
      throw error;
    }
  }

  get url(): string {
    return this.ready.url;
  }

  /** Where agents connect. */
  get agentUrl(): string {
    return this.ready.agentUrl;
  }

  get dataDir(): string {
    return join(this.directory, 'data');
  }

  /** What the `up` process wrote since it was started. */
  get output(): { readonly stdout: string; readonly stderr: string } {
    return this.child?.output ?? { stdout: '', stderr: '' };
  }

  /** Starts `up` again on the same data; resolves when it says that it is ready. */
  async restart(): Promise<void> {
    const { segments, nodes, env } = this.shape;
    const counts = ['--segments', String(segments), '--nodes', String(nodes)];
    const args = ['up', '--json', '--http', '0', '--data-dir', this.dataDir, ...counts];
    const child = espalier(args, env);
    this.child = child;
    let end: Ended | undefined;
    void child.ended.then((ended) => {
      end = ended;
    });
    await until('espalier up is ready', () => {
      if (end ?? child.output.stdout.includes('\n')) return true;
      throw new Error(child.output.stderr.slice(-1_000));
    });
    if (end) throw new Error(`espalier up ended with ${end.code}: ${end.stderr}`);
    this.ready = JSON.parse(child.output.stdout);
  }

  /** Ends the `up` process only. @returns how it ended */
  async kill(signal: NodeJS.Signals): Promise<Ended> {
    const { child } = this;
    if (!child) throw new Error('the control plane does not run');
    child.kill(signal);
    const ended = await child.ended;
    this.child = undefined;
    return ended;
  }

  /** Runs one command of the CLI to its end. */
  cli(...args: readonly string[]): Promise<Ended> {
    return this.follow(...args).ended;
  }

  /** Starts one command of the CLI. */
  follow(...args: readonly string[]): Child {
    const token = readFileSync(join(this.dataDir, 'keys', 'content-token'), 'utf8').trim();
    return espalier(args, { ESPALIER_URL: this.url, ESPALIER_CONTENT_TOKEN: token });
  }

  /** Runs a command that must succeed. @returns its JSON */
  async json<T>(...args: readonly string[]): Promise<T> {
    const { code, stdout, stderr } = await this.cli(...args, '-o', 'json');
    if (code !== 0) throw new Error(`espalier ${args.join(' ')} ended with ${code}: ${stderr}`);
    return JSON.parse(stdout);
  }

  /** What the gateway answers under `/api/v1`: for those who ask often, and need no command. */
  ask<T>(path: string): Promise<T> {
    return new ApiClient(this.url).send<T>('GET', `/api/v1/${path}`);
  }

  /** Publishes and waits for the end, whatever it is. */
  async publish(site: string): Promise<Published & { readonly code: number }> {
    const { code, stdout, stderr } = await this.cli('publish', site, '--wait', '-o', 'json');
    if (stdout === '') throw new Error(`publish ${site} ended with ${code}: ${stderr}`);
    return { ...JSON.parse(stdout), code };
  }

  /** Makes a site of an empty staging directory, and a group that receives it. */
  async createSite(site: string, ...membership: string[]): Promise<string> {
    const staging = join(this.directory, 'staging', site);
    await mkdir(staging, { recursive: true });
    await this.json('site', 'create', site, '--staging', staging);
    const members = membership.length > 0 ? membership : ['--all'];
    await this.json('group', 'create', site, '--site', site, ...members);
    return staging;
  }

  /** The log as it is now, from its beginning or after a place in it. */
  async events(after = 0): Promise<FeedEvent[]> {
    const events: FeedEvent[] = [];
    const feed = new ApiClient(this.url).events({ after: String(after), follow: 'false' });
    for await (const event of feed) events.push(event);
    return events;
  }

  /** Waits for an event of that type after a place in the log. */
  untilEvent(type: string, after: number): Promise<FeedEvent> {
    const ask = async () => {
      const events = await this.events(after);
      return events.find((event) => event.type.endsWith(`.${type}`));
    };
    return until(`${type} happens`, ask, { intervalMs: 5 });
  }

  get nodes(): string[] {
    return this.agents().map(({ node }) => node);
  }

  /** What a demo server serves of a site; the path exists once the site is live there. */
  live(node: string, site: string): string {
    return join(this.root(node), 'sites', site, 'live', '.');
  }

  /** The directory of a demo server. */
  root(node: string): string {
    const agent = this.agents().find((each) => each.node === node);
    if (!agent) throw new Error(`there is no demo server ${node}`);
    return agent.root;
  }

  /** Process numbers of the embedded servers and of the demo servers, by name. */
  pids(): Record<string, number> {
    const files = Object.fromEntries(
      this.agents().map(({ node, root }) => [node, join(root, 'agent.pid')]),
    );
    files.nats = join(this.dataDir, 'nats', 'nats-server.pid');
    files.postgres = join(this.dataDir, 'postgres', 'postgres.pid');
    const present = Object.entries(files).filter(([, path]) => existsSync(path));
    return Object.fromEntries(
      present.map(([name, path]) => [name, pidOf(readFileSync(path, 'utf8'))]),
    );
  }

  /** Sends a signal to a demo server or to an embedded server. @returns its process number */
  signal(name: string, signal: NodeJS.Signals): number {
    const pid = this.pids()[name];
    if (!pid) throw new Error(`${name} has no process`);
    process.kill(pid, signal);
    return pid;
  }

  /**
   * Ends everything, in whatever state it is, and removes what it left, unless ESPALIER_TEST_KEEP
   * is set: then the directory is there to be looked at.
   */
  async close(): Promise<void> {
    const pids = Object.values(this.pids());
    for (const pid of pids) sendIfAlive(pid, 'SIGCONT');
    if (this.child) await this.kill('SIGKILL');
    await until('the children of a killed control plane end', async () => {
      const identities = await Promise.all(pids.map(identityOf));
      return identities.every((identity) => identity === undefined);
    });
    if (process.env.ESPALIER_TEST_KEEP) process.stderr.write(`kept ${this.directory}\n`);
    else await run('rm', ['-rf', this.directory]);
  }

  private agents(): { segment: string; node: string; root: string }[] {
    const base = join(this.dataDir, 'agents');
    const segments = existsSync(base) ? readdirSync(base) : [];
    return segments.flatMap((segment) =>
      readdirSync(join(base, segment)).map((node) => {
        return { segment, node, root: join(base, segment, node) };
      }),
    );
  }
}

function sendIfAlive(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended already.
  }
}
