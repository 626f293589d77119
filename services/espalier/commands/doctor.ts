import { toJson } from '@bufbuild/protobuf';
import type { Command } from 'commander';
import { type StorageView, StorageViewSchema } from '#libs/contracts/index.js';
import { type NativeCapabilities, probeNative } from '#libs/native/capabilities.js';
import { Refused, Unreachable } from '../client/api-client.js';
import { renderTable } from '../output/table.js';
import { formatBytes } from '../output/units.js';
import { type CommonOptions, clientOf, print, withClientOptions } from './context.js';

/** One thing that Espalier can do better or worse on this host. */
interface Finding {
  readonly what: string;
  readonly here: string;
  /** Empty: nothing is missing. */
  readonly advice: string;
}

/** `espalier doctor`: what this host offers, and how much the control plane keeps. */
export function doctorCommand(program: Command): void {
  withClientOptions(
    program
      .command('doctor')
      .description('say what this host can do natively, what would help, and what is stored'),
  ).action(async (options) => {
    const capabilities = probeNative();
    const storage = await storageOf(options);
    if (options.output === 'json') {
      const stored = storage && toJson(StorageViewSchema, storage, { alwaysEmitImplicit: true });
      print(JSON.stringify({ node: process.version, ...capabilities, storage: stored ?? null }));
      return;
    }
    print(tableOf(findingsOf(capabilities)));
    print(storage ? `\n${storageTable(storage)}` : '\nno control plane answers: --url names one');
  });
}

/** What the control plane keeps; undefined where none answers. */
async function storageOf(options: CommonOptions): Promise<StorageView | undefined> {
  try {
    return await clientOf(options).get('/api/v1/storage', StorageViewSchema);
  } catch (error) {
    if (error instanceof Unreachable || error instanceof Refused) return undefined;
    throw error;
  }
}

interface Size {
  readonly what: string;
  readonly count: number;
  readonly bytes: number;
}

function storageTable({ streams, tables, ...archive }: StorageView): string {
  const sizes: Size[] = [
    ...streams.map(({ stream, messages, bytes }) => {
      return { what: `stream ${stream}`, count: messages, bytes };
    }),
    { what: 'archive', count: archive.archivedEvents, bytes: archive.archiveBytes },
    ...tables.map(({ table, rows, bytes }) => ({ what: `table ${table}`, count: rows, bytes })),
  ];
  return renderTable<Size>(
    [
      ['stored', ({ what }) => what],
      ['entries', ({ count }) => String(count)],
      ['size', ({ bytes }) => formatBytes(bytes)],
    ],
    sizes,
    '',
  );
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
