import type { Command } from 'commander';
import { formatBytes } from '../output/units.js';
import { print } from './context.js';

const trustHelp = 'root document, or public key (PEM); several keys: give it several times';

/** `espalier assignment inspect` and `verify`: containers as files, without a control plane. */
export function assignmentCommand(program: Command): void {
  const assignment = program.command('assignment').description('assignments as files');
  assignment
    .command('inspect')
    .description('say what a container says of itself; nothing is verified')
    .argument('<file>')
    .option('--commands', 'list the commands too')
    .option('-o, --output <format>', 'table or json', 'table')
    .action(async (file, { commands, output }) => {
      const { inspectContainer } = await import('../assignment/inspect.js');
      const found = await inspectContainer(file, commands ?? false);
      if (output === 'json') print(JSON.stringify(found, undefined, 2));
      else for (const [name, value] of Object.entries(found)) print(`${name}: ${shown(value)}`);
    });
  assignment
    .command('verify')
    .description('check signatures, every block and every command; exits with 1 if any is wrong')
    .argument('<file>')
    .requiredOption('--trust <file>', trustHelp, (path: string, all: string[] = []) => [
      ...all,
      path,
    ])
    .option('--threshold <n>', 'how many of the keys must have signed', Number, 1)
    .option('-o, --output <format>', 'table or json', 'table')
    .action(async (file, { trust, threshold, output }) => {
      const { readTrust } = await import('../assignment/read-trust.js');
      const { verifyContainer } = await import('../assignment/verify.js');
      const checked = await verifyContainer(file, await readTrust(trust, threshold));
      if (output === 'json') print(JSON.stringify({ sound: true, ...checked }));
      else {
        const what = `${checked.blocks} blocks (${formatBytes(checked.bytes)})`;
        const { assignment: name, signers, commandsNote } = checked;
        print(`${name} is sound: ${signers} signatures, ${what}, ${commandsNote}`);
      }
    });
  dryRunCommand(assignment);
}

function dryRunCommand(assignment: Command): void {
  assignment
    .command('dry-run')
    .description('say what an agent would do with a container on this host; nothing is written')
    .argument('<file>')
    .requiredOption('--root <dir>', "the agent's directory")
    .requiredOption('--trust <file>', trustHelp, (path: string, all: string[] = []) => [
      ...all,
      path,
    ])
    .option('--threshold <n>', 'how many of the keys must have signed', Number, 1)
    .option('-o, --output <format>', 'table or json', 'table')
    .action(async (file, { root, trust, threshold, output }) => {
      const { readTrust } = await import('../assignment/read-trust.js');
      const { dryRunContainer } = await import('../assignment/dry-run.js');
      const would = await dryRunContainer(file, await readTrust(trust, threshold), root);
      if (output === 'json') print(JSON.stringify(would));
      else {
        const { lines, filesWritten, filesShared, bytesWritten } = would;
        const written = `${filesWritten} files written (${formatBytes(bytesWritten)})`;
        print([...lines, `${written}, ${filesShared} shared`].join('\n'));
      }
    });
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.map((entry) => `\n  ${shown(entry)}`).join('');
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}
