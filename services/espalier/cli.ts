import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import pc from 'picocolors';
import { DomainError } from '#libs/contracts/index.js';
import { Refused, Unreachable } from './client/api-client.js';
import { agentCommand } from './commands/agent.js';
import { applyCommand } from './commands/apply.js';
import { assignmentCommand } from './commands/assignment.js';
import { auditCommand } from './commands/audit.js';
import { contentCommand } from './commands/content.js';
import { describeCommand } from './commands/describe.js';
import { dlqCommand } from './commands/dlq.js';
import { doctorCommand } from './commands/doctor.js';
import { eventsCommand } from './commands/events.js';
import { getCommand } from './commands/get.js';
import { groupCommand } from './commands/group.js';
import { jobCommand } from './commands/job.js';
import { jobCommands } from './commands/jobs.js';
import { operationsCommands } from './commands/operations.js';
import { publishCommand, WaitTimedOut } from './commands/publish.js';
import { rolloutCommand } from './commands/rollout.js';
import { segmentCommand } from './commands/segment.js';
import { siteCommand } from './commands/site.js';
import { stageCommand } from './commands/stage.js';
import { treeCommand } from './commands/tree.js';
import { upCommand } from './commands/up.js';
import { versionCommands } from './commands/versions.js';
import { webhookCommand } from './commands/webhook.js';
import { exitCodes } from './exit-codes.js';

const packageFile = new URL('../../../package.json', import.meta.url);
const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
const program = new Command('espalier')
  .description('Distributes directory trees to fleets of servers and switches them live together.')
  .version(version, '-V, --version', 'say which version this is')
  .showHelpAfterError('(--help shows how)')
  .exitOverride();
for (const [heading, commands] of Object.entries({
  'Run:': [upCommand, agentCommand, doctorCommand],
  'Set up:': [siteCommand, groupCommand, segmentCommand, treeCommand, stageCommand, applyCommand],
  'Distribute:': [publishCommand, jobCommands, rolloutCommand],
  'Schedule:': [jobCommand],
  'Versions:': [versionCommands],
  'Look:': [getCommand, describeCommand, eventsCommand, auditCommand],
  'Files:': [assignmentCommand, contentCommand],
  'Operate:': [dlqCommand, webhookCommand, operationsCommands],
})) {
  program.commandsGroup(heading);
  for (const add of commands) add(program);
}
for (const command of allCommands(program)) command.exitOverride().showHelpAfterError();

process.once('SIGINT', () => process.exit(exitCodes.interrupted));
// A reader that has seen enough (`espalier events | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? exitCodes.done : exitCodes.error);
});
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = explain(error);
}

/** Says on stderr what went wrong and what to do. @returns the exit code */
function explain(error: unknown): number {
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  }
  const { message, remedy } = describe(error);
  process.stderr.write(`${pc.red('error')}: ${message}\n`);
  if (remedy) process.stderr.write(`${pc.dim('what to do')}: ${remedy}\n`);
  if (error instanceof WaitTimedOut) return exitCodes.waitTimedOut;
  if (error instanceof Refused && error.status === 409) return exitCodes.conflict;
  return exitCodes.error;
}

function describe(error: unknown): { message: string; remedy: string } {
  if (error instanceof Refused || error instanceof DomainError) return error;
  if (error instanceof Unreachable) {
    const remedy = 'start one with espalier up, or name another with --url or ESPALIER_URL';
    return { message: error.message, remedy };
  }
  return { message: error instanceof Error ? error.message : String(error), remedy: '' };
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}
