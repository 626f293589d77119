import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { toBinary } from '@bufbuild/protobuf';
import { AssignmentReportSchema, LiveVersionSchema } from '#libs/contracts/host.js';
import { readHostPolicy } from '#libs/interpreter/adapters/host-policy-file.js';
import { hostPorts } from '#libs/interpreter/adapters/host-ports.js';
import { shellHost } from '#libs/interpreter/adapters/shell-host.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';
import { type ControlClock, Executor, NotDue } from '../app/executor.js';
import { headStartMs } from '../app/until-due.js';
import type { ExecuteRequest, ExecutorMessage, ExecutorStart } from './executor-messages.js';
import { switchMemory } from './switch-memory.js';

/*
 * The executor's own thread: the interpreter works with synchronous calls, which are the fastest,
 * and a disk that stalls holds up nothing but the assignment.
 */
const { root, node, agreementKey, ...start } = workerData as ExecutorStart;
let trusted = start.trust;
const trust: TrustRoot = {
  get keys() {
    return trusted.keys;
  },
  get threshold() {
    return trusted.threshold;
  },
};
let controlClock: ControlClock = { offsetMs: 0, errorMs: 0 };
const say = (message: ExecutorMessage) => parentPort?.postMessage(message);

try {
  const hostPolicy = readHostPolicy(join(root, 'host.json'));
  const { host } = hostPolicy;
  const executor = await Executor.start({
    root,
    node,
    trust,
    agreementKey,
    ports: host ? { ...hostPorts, otherHost: shellHost(host) } : hostPorts,
    hostPolicy,
    controlClock: () => controlClock,
    switches: switchMemory(join(root, 'spool', 'switches.json')),
    patienceMs: headStartMs,
    onLiveChanged: () => say({ kind: 'live-changed', live: liveVersions() }),
  });
  const liveVersions = () =>
    executor.liveVersions().map((version) => toBinary(LiveVersionSchema, version));
  parentPort?.on('message', (request: ExecuteRequest) => {
    const { id, assignmentId, containerPath } = request;
    controlClock = request.controlClock;
    trusted = request.trust;
    executor.execute(assignmentId, containerPath).then(
      (report) => say({ kind: 'executed', id, report: toBinary(AssignmentReportSchema, report) }),
      (error: NotDue) => say({ kind: 'not-due', id, atMs: error.atMs }),
    );
  });
  say({ kind: 'started', live: liveVersions() });
} catch (error) {
  const { name, message } = error as Error;
  say({ kind: 'refused', name, message });
}
