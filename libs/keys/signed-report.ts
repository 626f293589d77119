import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type IngressReport,
  IngressReportSchema,
  type SignedReport,
  SignedReportSchema,
} from '#libs/contracts/index.js';
import { type SigningKey, verifySignature } from './ed25519.js';

/** Thrown for a report that its claimed sender did not sign. */
export class ForgedReport extends Error {
  override readonly name = 'ForgedReport';
}

/** Signs a leader's report with its agent key. */
export function signReport(node: string, key: SigningKey, report: IngressReport): SignedReport {
  const payload = toBinary(IngressReportSchema, report);
  return create(SignedReportSchema, { node, payload, signature: key.sign(payload) });
}

/** Verifies, then parses the same bytes. @throws ForgedReport */
export function openReport(signed: SignedReport, publicKey: Uint8Array): IngressReport {
  if (!verifySignature(publicKey, signed.payload, signed.signature)) {
    throw new ForgedReport(`a report in the name of ${signed.node} is not signed by its key`);
  }
  return fromBinary(IngressReportSchema, signed.payload);
}
