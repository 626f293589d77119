import { type AssignmentReport, NodeStatus } from '#libs/contracts/index.js';

/** A server that prepared another tree than the signed one has not prepared it: it failed. */
export function doubted(
  reports: readonly AssignmentReport[],
  signedTree: Uint8Array,
): AssignmentReport[] {
  return reports.map((report) => {
    const { status, treeDigest, node } = report;
    if (status !== NodeStatus.PREPARED || treeDigest.length === 0) return report;
    if (Buffer.compare(treeDigest, signedTree) === 0) return report;
    const [told, signed] = [treeDigest, signedTree].map(beginning);
    const error = `WrongTree: ${node} reports tree ${told}, the signed one is ${signed}`;
    return { ...report, status: NodeStatus.FAILED, error };
  });
}

function beginning(digest: Uint8Array): string {
  return Buffer.from(digest.subarray(0, 8)).toString('hex');
}
