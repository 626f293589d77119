import { toJson } from '@bufbuild/protobuf';
import type { Command } from 'commander';
import { type StorageView, StorageViewSchema } from '#libs/contracts/index.js';
import { type HostReport, reportHost } from '#libs/native/host-report.js';
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
    const capabilities = reportHost();
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

export function findingsOf(capabilities: HostReport): Finding[] {
  const { zstd, zstdPrefix, syncMethod, openat2, renameat2, udpOffload } = capabilities;
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
    {
      what: 'opening paths',
      here: openat2 ? 'openat2' : 'one directory after the other',
      advice: openat2 ? '' : 'Linux 5.6 and koffi: preparing is slower',
    },
    {
      what: 'exchanging names',
      here: renameat2 ? 'renameat2' : 'not possible',
      advice: renameat2 ? '' : 'Linux and koffi: what is live must be a link',
    },
    {
      what: 'multicast',
      here: udpOffload ? 'UDP_SEGMENT and UDP_GRO' : 'a call for each datagram',
      advice: udpOffload ? '' : 'Linux 5.0 and koffi: sending takes more of the processor',
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
