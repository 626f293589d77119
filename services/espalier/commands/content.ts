import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { openContentStore } from '#libs/content-store/adapters/configured-store.js';
import { diskContentStore } from '#libs/content-store/adapters/disk-store.js';
import { exportTree } from '#libs/content-store/adapters/export-tree.js';
import { collectGarbage, missingBlobs } from '#libs/content-store/garbage.js';
import { exitCodes } from '../exit-codes.js';
import { formatBytes } from '../output/units.js';
import { print, tell, wholeNumber } from './context.js';

/** `espalier content`: the content store of this host of the control plane. */
export function contentCommand(program: Command): void {
  const content = program.command('content').description("this host's content store");
  const dataDir = () =>
    new Option('--data-dir <dir>', 'of the control plane')
      .env('ESPALIER_DATA_DIR')
      .default('espalier-data');
  content
    .command('verify')
    .description('read every blob; exits with 1 when one is damaged or missing')
    .addOption(dataDir())
    .option('--quarantine', 'set damaged blobs aside, so that they can be fetched or pushed anew')
    .action(verify);
  content
    .command('gc')
    .description('remove what neither runs nor live trees nor recent assignments need')
    .addOption(dataDir())
    .option('--grace-hours <n>', 'keep what is younger', wholeNumber, 24)
    .action(async (options) => {
      const { own } = openContentStore(resolve(options.dataDir), process.env);
      const graceMs = options.graceHours * 3_600_000;
      const done = await collectGarbage(own, { clock: systemClock, graceMs });
      print(`${done.removedBlobs} blobs removed (${formatBytes(done.removedBytes)})`);
      if (!done.isComplete) tell('a run or a push holds content; the rest goes the next time');
    });
  content
    .command('export')
    .description('write the tree of a manifest to a new directory')
    .argument('<manifest>', 'digest of the manifest')
    .argument('<dir>')
    .addOption(dataDir())
    .action(async (digest, directory, options) => {
      const { store } = openContentStore(resolve(options.dataDir), process.env);
      const manifest = await store.readManifest(digest);
      const { files, bytes } = await exportTree(store, manifest, resolve(directory));
      print(`${files} files (${formatBytes(bytes)}) in ${directory}`);
    });
}

async function verify(options: { dataDir: string; quarantine?: true }): Promise<void> {
  const dataDir = resolve(options.dataDir);
  const { own } = openContentStore(dataDir, process.env);
  const disk = diskContentStore(`${dataDir}/content`);
  const damaged = await disk.verify();
  if (options.quarantine) for (const digest of damaged) await disk.quarantine(digest);
  const missing = await missingBlobs(own, systemClock);
  for (const digest of damaged) print(`damaged: ${digest}`);
  for (const digest of missing) print(`missing: ${digest}`);
  if (damaged.length + missing.length === 0) print('every blob is what its digest says');
  else process.exitCode = exitCodes.error;
}
