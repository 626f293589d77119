import { type Command, Option } from 'commander';
import { type NativeCapabilities, probeNative } from '#libs/native/capabilities.js';
import { renderTable } from '../output/table.js';
import { print } from './context.js';

/** One thing that Espalier can do better or worse on this host. */
interface Finding {
  readonly what: string;
  readonly here: string;
  /** Empty: nothing is missing. */
  readonly advice: string;
}

/** `espalier doctor`: what this host offers, and what would make it better. */
export function doctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('say what this host can do natively, and what would help')
    .addOption(
      new Option('-o, --output <format>', 'of results').choices(['table', 'json']).default('table'),
    )
    .action(({ output }: { output: string }) => {
      const capabilities = probeNative();
      const findings = findingsOf(capabilities);
      if (output === 'json') print(JSON.stringify({ node: process.version, ...capabilities }));
      else print(tableOf(findings));
    });
}

export function findingsOf(capabilities: NativeCapabilities): Finding[] {
  const { zstd, zstdPrefix, syncMethod } = capabilities;
  const library = 'install libzstd.so.1 (package libzstd1)';
  return [
    {
      what: 'compression',
      here: { libzstd: 'libzstd', node: 'zstd of Node', decoder: 'reading only', none: 'none' }[
        zstd
      ],
      advice: zstd === 'libzstd' || zstd === 'node' ? '' : library,
    },
    {
      what: 'patches',
      here: zstdPrefix ? 'against the old file as a whole' : 'by alignment only',
      advice: zstdPrefix ? '' : library,
    },
    {
      what: 'flushing to disk',
      here: { syncfs: 'syncfs', 'sync-command': 'the command sync', 'fsync-walk': 'file by file' }[
        syncMethod
      ],
      advice:
        syncMethod === 'syncfs' ? '' : 'koffi has no build for this host: publishing is slower',
    },
  ];
}

function tableOf(findings: readonly Finding[]): string {
  return renderTable<Finding>(
    [
      ['what', ({ what }) => what],
      ['here', ({ here }) => here],
      ['what would help', ({ advice }) => advice || '-'],
    ],
    findings,
    '',
  );
}
