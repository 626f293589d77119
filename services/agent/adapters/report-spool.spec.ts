import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SignedReportSchema } from '#libs/contracts/index.js';
import { ReportSpool, type SpooledReport } from './report-spool.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'espalier-reports-'));
});
afterEach(() => rm(directory, { recursive: true }));

function report(id: string): SpooledReport {
  const signed = create(SignedReportSchema, { node: 'p1', payload: Buffer.from(id) });
  return { id, kind: 'assignment', report: signed };
}

describe('the spool of reports', () => {
  it('keeps reports over a restart, in the order of their ids', async () => {
    const spool = await ReportSpool.open(directory);
    await spool.add(report('0002'));
    await spool.add(report('0001'));
    const again = await ReportSpool.open(directory);
    expect(again.waiting()).toEqual([report('0001'), report('0002')]);
  });

  it('forgets a report that was delivered', async () => {
    const spool = await ReportSpool.open(directory);
    await spool.add(report('0001'));
    await spool.remove(report('0001'));
    expect(spool.waiting()).toEqual([]);
    expect(await readdir(directory)).toEqual([]);
  });

  it('does not deliver what a crash left half written', async () => {
    await writeFile(join(directory, '0001.assignment.new'), 'half');
    expect((await ReportSpool.open(directory)).waiting()).toEqual([]);
  });

  it('puts aside what a crash damaged, and delivers the others', async () => {
    await (await ReportSpool.open(directory)).add(report('0002'));
    await writeFile(join(directory, '0001.received'), '');
    await writeFile(join(directory, '0003.assignment'), 'no report');
    const again = await ReportSpool.open(directory);
    expect(again.waiting()).toEqual([report('0002')]);
    expect(await readdir(directory)).toContain('0001.received.damaged');
    expect((await ReportSpool.open(directory)).waiting()).toEqual([report('0002')]);
  });
});
