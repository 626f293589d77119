import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { shellType } from '#libs/assignment/command-sets.js';
import { treeDigest } from '#libs/content-store/manifest.js';
import type { BuildCounts } from '../build-counts.js';
import { OtherHostFailed, WrongContent } from '../errors.js';
import { contentOf } from '../file-content.js';
import type { FileStep } from '../plan.js';
import { originOf } from '../plan.js';
import type { OtherHost, OtherVersion, ShellHostOptions } from '../ports.js';
import { inDirectory, listing, quote, treeOfListing, versionScripts } from '../shell-script.js';

/** One script may take so long. */
const timeLimitMs = 10 * 60_000;
const keptErrorBytes = 4_096;
const none = new Uint8Array();

/**
 * A host that has a shell and no agent: versions are directories there, unchanged files hard links,
 * and a switch is the rename of a link. What was made is read and hashed there before it counts.
 */
export function shellHost({ command, directory }: ShellHostOptions): OtherHost {
  const run = (script: string, input?: AsyncIterable<Uint8Array>) =>
    runScript(command, script, input);
  const versionsOf = (site: string) => `${directory}/sites/${site}/versions`;
  return {
    agentType: shellType,

    async build(version) {
      const { site, sequence, baseSequence, steps, result } = version;
      const versions = versionsOf(site);
      const building = `${versions}/${sequence}.tmp`;
      const parts = versionScripts(building, `../${baseSequence ?? sequence}`, steps);
      await run(inDirectory('/', `mkdir -p -- ${quote(versions)}`));
      const [tmp, whole] = [`${sequence}.tmp`, `${sequence}`];
      try {
        await run(inDirectory(versions, removal(tmp), removal(whole), `mkdir -m 755 ${tmp}`));
        for (const { script, contents } of parts) await run(script, contentsOf(contents, version));
        const made = treeOfListing(await run(inDirectory(building, listing)));
        if (treeDigest(made) !== treeDigest(result)) {
          throw new WrongContent(`version ${sequence}`, 'the other host has not what was sent');
        }
        await run(inDirectory(versions, `mv -T ${tmp} ${whole}`, 'sync'));
      } catch (error) {
        await run(inDirectory(versions, removal(tmp))).catch(() => none);
        throw error;
      }
      return countsOf(steps);
    },

    async switchTo(site, sequence) {
      const link = `ln -sfn versions/${sequence} live.next`;
      const lines = [`test -d versions/${sequence}`, link, 'mv -T live.next live', 'sync'];
      await run(inDirectory(`${directory}/sites/${site}`, ...lines));
    },

    async remove(site, sequences) {
      if (sequences.length === 0) return;
      await run(inDirectory(versionsOf(site), ...sequences.map((each) => removal(`${each}`))));
    },
  };
}

/** Directories may forbid that anything in them is removed. */
const removal = (name: string): string =>
  `if test -e ${name}; then find ${name} -type d -exec chmod u+rwx {} +; rm -rf ${name}; fi`;

async function* contentsOf(steps: readonly FileStep[], { data }: OtherVersion) {
  const base = {
    read: () => none,
    readInto: () => undefined,
    range: () => [],
  };
  for (const step of steps) {
    yield* contentOf(step.entry, originOf(step), { data, base, decodePatch: () => none });
  }
}

function countsOf(steps: OtherVersion['steps']): BuildCounts {
  const written = steps.filter(({ kind }) => kind === 'write');
  const shared = steps.filter(({ kind }) => kind === 'share');
  const bytesWritten = written.reduce(
    (sum, { entry }) => sum + (entry.type === 'file' ? entry.sizeBytes : 0),
    0,
  );
  return { filesWritten: written.length, filesShared: shared.length, bytesWritten };
}

/** What a script said. @throws OtherHostFailed, and what the input throws */
async function runScript(
  [program = '', ...args]: readonly string[],
  script: string,
  input?: AsyncIterable<Uint8Array>,
): Promise<Buffer> {
  const child = spawn(program, [...args, script], {
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: timeLimitMs,
    killSignal: 'SIGKILL',
  });
  const said: Buffer[] = [];
  let complaint = '';
  child.stdout.on('data', (chunk: Buffer) => said.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = `${complaint}${chunk.toString()}`.slice(-keptErrorBytes);
  });
  const ended = once(child, 'close').then(([code, signal]) => {
    if (code === 0) return;
    throw new OtherHostFailed(program, complaint.trim() || `it ended with ${signal ?? code}`);
  });
  const failed = once(child, 'error').then(([error]) => {
    throw new OtherHostFailed(program, (error as Error).message);
  });
  const sent = input ? send(input, child.stdin) : child.stdin.end();
  // A script that has failed reads no more.
  child.stdin.on('error', () => undefined);
  try {
    await Promise.race([Promise.all([ended, sent]), failed]);
    return Buffer.concat(said);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  } finally {
    void failed.catch(() => undefined);
    void ended.catch(() => undefined);
  }
}

/** Pieces are valid until the next one is taken. */
async function send(input: AsyncIterable<Uint8Array>, stdin: NodeJS.WritableStream) {
  for await (const piece of Readable.from(input)) {
    if (!stdin.write(Buffer.from(piece as Uint8Array)))
      await Promise.race([once(stdin, 'drain'), once(stdin, 'close')]);
  }
  stdin.end();
}
