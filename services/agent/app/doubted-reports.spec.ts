import { create } from '@bufbuild/protobuf';
import { expect, test } from '@jest/globals';
import { AssignmentReportSchema, NodeStatus } from '#libs/contracts/index.js';
import { doubted } from './doubted-reports.js';

const signed = new Uint8Array(32).fill(7);
const reportOf = (node: string, status: NodeStatus, treeDigest: Uint8Array) =>
  create(AssignmentReportSchema, { node, status, treeDigest });

test('a member that reports another tree than the signed one has failed, with the reason', () => {
  const { PREPARED, FAILED, RECEIVED } = NodeStatus;
  const reports = [
    reportOf('good', PREPARED, signed),
    reportOf('wrong', PREPARED, new Uint8Array(32).fill(8)),
    reportOf('failed', FAILED, new Uint8Array(0)),
    reportOf('part', RECEIVED, new Uint8Array(0)),
  ];
  const judged = doubted(reports, signed);
  expect(judged.map(({ status }) => status)).toEqual([PREPARED, FAILED, FAILED, RECEIVED]);
  expect(judged[1]?.error).toBe(
    'WrongTree: wrong reports tree 0808080808080808, the signed one is 0707070707070707',
  );
});
