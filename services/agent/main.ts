import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { DomainError, removedExitStatus } from '#libs/contracts/index.js';
import { optimizeLate } from '#libs/native/late-optimization.js';
import { startTelemetry } from '#libs/telemetry/adapters/setup.js';
import { ServerRemoved } from './adapters/enrolment.js';
import { FleetAccess } from './adapters/fleet-access.js';
import { startAgent } from './agent.js';
import { agentConfig } from './config.js';
import { startStagingServer } from './staging.js';

const log = (line: string) => {
  process.stderr.write(`${new Date(systemClock.nowMs()).toISOString()} ${line}\n`);
};

optimizeLate();
try {
  const telemetry = await startTelemetry('agent', process.env, 'none');
  const config = agentConfig(process.argv.slice(2), process.env);
  const access = await FleetAccess.enrol(config, log);
  const agent = await startAgent(config, access, log);
  const { node: server, staging: directories, stagingToken: token } = config;
  const isStaging = Object.keys(directories).length > 0;
  const staging = isStaging && startStagingServer({ ...config, server, directories, token, log });
  const end = (code: number) => {
    if (staging) staging.close();
    const closed = agent.close().then(() => telemetry.close());
    void closed.then(() => process.exit(code));
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => end(0));
  void access.removed.then(({ message, remedy }) => {
    log(`${message}\n  ${remedy}`);
    end(removedExitStatus);
  });
} catch (error) {
  const remedy = error instanceof DomainError ? `\n  ${error.remedy}` : '';
  process.stderr.write(`espalier agent: ${(error as Error).message}${remedy}\n`);
  process.exit(error instanceof ServerRemoved ? removedExitStatus : 1);
}
