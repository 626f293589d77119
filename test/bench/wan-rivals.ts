import type { ChildProcess } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { sleep } from '#libs/clock/clock.js';
import type { WanContainer } from './wan-container.js';
import type { WanNetwork } from './wan-network.js';
import { digestOf, launch } from './wan-peers.js';
import { torrentOf } from './wan-torrent.js';

/** What another tool took for the same bytes over the same links. */
export interface RivalResult {
  readonly seconds: number;
  readonly originCopies: number;
}

export type Rival = (
  wan: WanNetwork,
  directory: string,
  container: WanContainer,
) => Promise<RivalResult>;

/** Thrown when a peer asked for is not installed, or did not bring the bytes. */
export class RivalFailed extends Error {
  override readonly name = 'RivalFailed';
}

export const rivals: Readonly<Record<string, Rival>> = { rsync, bittorrent };

/** Every leader from one rsync daemon at once. */
async function rsync(wan: WanNetwork, directory: string, container: WanContainer) {
  const port = 18_730;
  const modulePath = join(directory, 'module');
  mkdirSync(modulePath);
  copyFileSync(container.path, join(modulePath, 'container'));
  const config = join(directory, 'rsyncd.conf');
  writeFileSync(config, `use chroot = no\nlog file = /dev/null\n[m]\npath = ${modulePath}\n`);
  const daemon = ['rsync', '--daemon', '--no-detach', `--port=${port}`, `--config=${config}`];
  const server = launch(wan.on(0, ...daemon, `--address=${wan.address(0)}`), 'ignore');
  await sleep(systemClock, 500);
  try {
    return await timed(wan, container, (host) => {
      const path = join(directory, `rsync-${host}`);
      const source = `rsync://${wan.address(0)}:${port}/m/container`;
      return { path, ended: exitOf(launch(wan.on(host, 'rsync', '-W', source, path))) };
    });
  } finally {
    server.kill('SIGKILL');
  }
}

/** A swarm of aria2c: the origin seeds, the leaders exchange; one tracker. */
async function bittorrent(wan: WanNetwork, directory: string, container: WanContainer) {
  const port = 18_731;
  const tracker = fileURLToPath(new URL('./wan-tracker.js', import.meta.url));
  const processes = [launch(wan.on(0, process.execPath, tracker, wan.address(0), String(port)))];
  await new Promise((resolve) => processes[0]?.stdout?.once('data', resolve));
  const torrent = join(directory, 'container.torrent');
  const announce = `http://${wan.address(0)}:${port}/announce`;
  writeFileSync(torrent, torrentOf(container.path, 'container', announce));
  const client = (host: number, ...more: string[]) => {
    const own = join(directory, `torrent-${host}`);
    mkdirSync(own, { recursive: true });
    const child = launch(wan.on(host, 'aria2c', ...aria2Options, `--dir=${own}`, ...more, torrent));
    child.stdout?.resume();
    processes.push(child);
    return { own, child };
  };
  mkdirSync(join(directory, 'torrent-0'));
  copyFileSync(container.path, join(directory, 'torrent-0', 'container'));
  client(0, '--check-integrity=true');
  await sleep(systemClock, 3_000);
  try {
    return await timed(wan, container, (host) => {
      const done = join(directory, `torrent-done-${host}`);
      const hook = join(directory, `hook-${host}`);
      writeFileSync(hook, `#!/bin/sh\ntouch ${done}\n`, { mode: 0o755 });
      const { own } = client(host, `--on-bt-download-complete=${hook}`);
      return { path: join(own, 'container'), ended: appears(done) };
    });
  } finally {
    for (const child of processes) child.kill('SIGKILL');
  }
}

const aria2Options = [
  '--enable-dht=false',
  '--enable-peer-exchange=false',
  '--bt-enable-lpd=false',
  '--disable-ipv6=true',
  '--seed-ratio=0.0',
  '--file-allocation=none',
  '--bt-tracker-interval=1',
  '--max-upload-limit=0',
  '--bt-request-peer-speed-limit=100M',
  '--follow-torrent=mem',
  '--quiet=true',
];

interface Fetching {
  readonly path: string;
  readonly ended: Promise<boolean>;
}

async function timed(
  wan: WanNetwork,
  { digest, containerBytes }: WanContainer,
  begin: (host: number) => Fetching,
): Promise<RivalResult> {
  const before = wan.traffic(0).outBytes;
  const startedMs = systemClock.nowMs();
  const fetching = Array.from({ length: wan.hostCount - 1 }, (_, at) => begin(at + 1));
  const ended = await Promise.all(fetching.map((each) => each.ended));
  const seconds = (systemClock.nowMs() - startedMs) / 1_000;
  const originCopies = (wan.traffic(0).outBytes - before) / containerBytes;
  if (ended.includes(false)) throw new RivalFailed('a client ended with an error');
  for (const { path } of fetching) {
    if ((await digestOf(path)) !== digest) throw new RivalFailed(`${path} has other content`);
  }
  return { seconds, originCopies };
}

function exitOf(child: ChildProcess): Promise<boolean> {
  return new Promise((resolve) => child.once('exit', (status) => resolve(status === 0)));
}

async function appears(path: string): Promise<boolean> {
  while (!existsSync(path)) await sleep(systemClock, 20);
  return true;
}
