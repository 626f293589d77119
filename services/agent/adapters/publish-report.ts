import { create } from '@bufbuild/protobuf';
import { uuidv7 } from 'uuidv7';
import { systemClock } from '#libs/clock/adapters/system-clock.js';
import {
  type IngressKind,
  type IngressReport,
  IngressReportSchema,
} from '#libs/contracts/index.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import { signReport } from '#libs/keys/signed-report.js';
import type { ControlLink } from '../app/control-link.js';

/** Who reports. */
interface Reporter {
  readonly node: string;
  readonly key: SigningKey;
}

interface LeaderReport {
  readonly kind: IngressKind;
  readonly report: IngressReport['report'];
  readonly traceparent: string;
}

/** Numbers a leader's report, signs it and hands it to the link, which loses none. */
export async function publishReport(
  link: ControlLink,
  { node, key }: Reporter,
  { kind, report, traceparent }: LeaderReport,
): Promise<void> {
  const reportId = uuidv7();
  const ingress = create(IngressReportSchema, {
    reportId,
    reportedAtMs: BigInt(systemClock.nowMs()),
    traceparent,
    report,
  });
  await link.report({ id: reportId, kind, report: signReport(node, key, ingress) });
}
