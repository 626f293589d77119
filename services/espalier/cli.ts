import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import pc from 'picocolors';
import { DomainError } from '#libs/contracts/index.js';
import { Refused, Unreachable } from './client/api-client.js';
import { commandTable } from './command-table.js';
import { exitCodes, WaitTimedOut } from './exit-codes.js';

const packageFile = new URL('../../../package.json', import.meta.url);
const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
const program = new Command('espalier')
  .description('Distributes directory trees to fleets of servers and switches them live together.')
  .version(version, '-V, --version', 'say which version this is')
  .showHelpAfterError('(--help shows how)')
  .exitOverride();
await addCommands(program, process.argv[2]);
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

/**
 * Loads the modules of the command that is named, which take half of a short command's time; all of
 * them where none is known by that name, for help and for a guess at what was meant.
 */
async function addCommands(program: Command, name: string | undefined): Promise<void> {
  const isKnown = Object.values(commandTable)
    .flat()
    .some(({ names }) => names.some((each) => each === name));
  for (const [heading, modules] of Object.entries(commandTable)) {
    program.commandsGroup(heading);
    for (const { names, load } of modules) {
      if (!isKnown || names.some((each) => each === name)) (await load())(program);
    }
  }
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}
