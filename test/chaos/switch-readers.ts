import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import type { InterpreterPorts } from '#libs/interpreter/ports.js';
import { prepare } from '#libs/interpreter/prepare.js';
import { switchTo } from '#libs/interpreter/switch.js';
import { assignmentOf, testVersions } from '#libs/interpreter/test-versions.js';

/** How the live tree is replaced; `two-renames` is the way that everybody tries first. */
export type SwitchWay = 'link' | 'exchange' | 'two-renames';

export interface ReadersResult {
  readonly way: SwitchWay;
  readonly switches: number;
  readonly readers: number;
  readonly opens: number;
  readonly failedOpens: number;
  /** Processor time of one switch, over the first tenth of them and over the last. */
  readonly cpuMsPerSwitch: { readonly first: number; readonly last: number };
}

const child = fileURLToPath(new URL('./switch-reader-child.js', import.meta.url));
/** Durability is not measured here, and would leave the readers little to see. */
const ports: InterpreterPorts = {
  clock: systemClock,
  syncFilesystem: () => undefined,
  decodePatch: () => new Uint8Array(),
};

/** Where a flush costs nothing, so that the switches and not the disk set the pace. */
export function memoryDirectory(): string {
  return existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
}

/** Switches back and forth while other processes open a file of the live tree in a loop. */
export async function readDuringSwitches(
  way: SwitchWay,
  switches: number,
  readers: number,
  directory = memoryDirectory(),
): Promise<ReadersResult> {
  const root = mkdtempSync(join(directory, 'espalier-readers-'));
  const processes: ChildProcess[] = [];
  try {
    const { file, flip } = await (way === 'two-renames' ? renaming(root) : switching(root, way));
    for (let reader = 0; reader < readers; reader++) processes.push(fork(child, [file]));
    await Promise.all(processes.map((each) => message(each)));
    const cpuMsPerSwitch = await flipping(flip, switches);
    const counts = await Promise.all(
      processes.map((each) => {
        const told = message(each);
        each.send('stop');
        return told;
      }),
    );
    const sum = (field: 'opens' | 'failedOpens') =>
      counts.reduce((total, count) => total + count[field], 0);
    const [opens, failedOpens] = [sum('opens'), sum('failedOpens')];
    return { way, switches, readers, opens, failedOpens, cpuMsPerSwitch };
  } finally {
    for (const each of processes) each.kill('SIGKILL');
    rmSync(root, { recursive: true, force: true });
  }
}

async function flipping(flip: (number: number) => Promise<void>, switches: number) {
  const tenth = Math.ceil(switches / 10);
  const cpuMs = { first: 0, last: 0 };
  let before = process.cpuUsage();
  for (let number = 0; number < switches; number++) {
    await flip(number);
    if ((number + 1) % tenth !== 0 && number + 1 !== switches) continue;
    const { user, system } = process.cpuUsage(before);
    before = process.cpuUsage();
    cpuMs.last = (user + system) / 1_000 / (number + 1 - Math.floor(number / tenth) * tenth);
    if (number + 1 === tenth) cpuMs.first = cpuMs.last;
  }
  return cpuMs;
}

async function switching(root: string, way: 'link' | 'exchange') {
  const liveDirectory = way === 'exchange' ? join(root, 'srv') : undefined;
  for (const number of [1, 2]) {
    const assignment = assignmentOf(testVersions, number);
    await prepare({ root, site: 'www', ...assignment, sitePolicy: { liveDirectory } }, ports);
  }
  const flip = async (number: number) => {
    const sequence = 1 + (number % 2);
    await switchTo({ root, site: 'www', sequence, liveDirectory }, ports);
  };
  await flip(1);
  return { file: join(liveDirectory ?? join(root, 'sites/www/live'), 'f'), flip };
}

/** The control: live to backup, new to live, with nothing in between. */
async function renaming(root: string) {
  for (const name of ['live', 'next']) {
    mkdirSync(join(root, name));
    writeFileSync(join(root, name, 'f'), name);
  }
  const path = (name: string) => join(root, name);
  const flip = async () => {
    renameSync(path('live'), path('backup'));
    renameSync(path('next'), path('live'));
    renameSync(path('backup'), path('next'));
  };
  return { file: path('live/f'), flip };
}

function message(from: ChildProcess): Promise<{ opens: number; failedOpens: number }> {
  return new Promise((resolve, reject) => {
    from.once('message', (value) => resolve(value as { opens: number; failedOpens: number }));
    from.once('exit', (code) => reject(new Error(`a reader ended with ${code}`)));
  });
}
