import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type IngressKind, type SignedReport, SignedReportSchema } from '#libs/contracts/index.js';

/** A report that waits for the control plane. */
export interface SpooledReport {
  /** Rises with time: reports are delivered in this order. */
  readonly id: string;
  readonly kind: IngressKind;
  readonly report: SignedReport;
}

/** Of a file that nobody reads: half written, or not what it was. */
const unread = /\.(new|damaged)$/;

/**
 * Reports on disk from the moment they exist until the control plane has them. The directory is
 * read at the start only.
 */
export class ReportSpool {
  /** File name -> what it holds. */
  private readonly reports = new Map<string, SpooledReport>();

  private constructor(private readonly directory: string) {}

  static async open(directory: string): Promise<ReportSpool> {
    await mkdir(directory, { recursive: true });
    const spool = new ReportSpool(directory);
    const names = (await readdir(directory)).filter((name) => !unread.test(name));
    await Promise.all(names.map((name) => spool.take(name)));
    return spool;
  }

  async add(spooled: SpooledReport): Promise<void> {
    const name = nameOf(spooled);
    const path = join(this.directory, name);
    await writeFile(`${path}.new`, toBinary(SignedReportSchema, spooled.report));
    await rename(`${path}.new`, path);
    this.reports.set(name, spooled);
  }

  async remove(spooled: SpooledReport): Promise<void> {
    const name = nameOf(spooled);
    await rm(join(this.directory, name), { force: true });
    this.reports.delete(name);
  }

  /** What waits, oldest first. */
  waiting(): SpooledReport[] {
    const byName = [...this.reports].sort(([a], [b]) => (a < b ? -1 : 1));
    return byName.map(([, report]) => report);
  }

  /** What a crash damaged is put aside: it must not keep the others from being delivered. */
  private async take(name: string): Promise<void> {
    const path = join(this.directory, name);
    const report = decoded(await readFile(path));
    const at = name.lastIndexOf('.');
    const [id, kind] = [name.slice(0, at), name.slice(at + 1) as IngressKind];
    if (report) this.reports.set(name, { id, kind, report });
    else await rename(path, `${path}.damaged`);
  }
}

function nameOf({ id, kind }: SpooledReport): string {
  return `${id}.${kind}`;
}

function decoded(bytes: Uint8Array): SignedReport | undefined {
  try {
    const report = fromBinary(SignedReportSchema, bytes);
    return report.node === '' ? undefined : report;
  } catch {
    return undefined;
  }
}
