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

/** Reports on disk from the moment they exist until the control plane has them. */
export class ReportSpool {
  private constructor(private readonly directory: string) {}

  static async open(directory: string): Promise<ReportSpool> {
    await mkdir(directory, { recursive: true });
    return new ReportSpool(directory);
  }

  async add({ id, kind, report }: SpooledReport): Promise<void> {
    const path = join(this.directory, `${id}.${kind}`);
    await writeFile(`${path}.new`, toBinary(SignedReportSchema, report));
    await rename(`${path}.new`, path);
  }

  async remove({ id, kind }: SpooledReport): Promise<void> {
    await rm(join(this.directory, `${id}.${kind}`), { force: true });
  }

  /** What waits, oldest first. */
  async waiting(): Promise<SpooledReport[]> {
    const names = (await readdir(this.directory)).filter((name) => !name.endsWith('.new')).sort();
    const reports = names.map(async (name) => {
      const at = name.lastIndexOf('.');
      const bytes = await readFile(join(this.directory, name));
      return {
        id: name.slice(0, at),
        kind: name.slice(at + 1) as IngressKind,
        report: fromBinary(SignedReportSchema, bytes),
      };
    });
    return Promise.all(reports);
  }
}
