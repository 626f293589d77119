import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';

const agentProgram = fileURLToPath(new URL('../../agent/main.js', import.meta.url));

/** `espalier agent`: the agent is a program of its own, small and quick to start. */
export function agentCommand(program: Command): void {
  program
    .command('agent')
    .description('run the agent of this server')
    .requiredOption('--segment <name>', 'the LAN that this server is on')
    .requiredOption('--name <name>', 'name of this server')
    .requiredOption('--root <dir>', 'where sites, spool and keys live')
    .requiredOption('--control <url>', 'a gateway of the control plane')
    .option('--join-token-file <file>', 'what admits it (or ESPALIER_JOIN_TOKEN)')
    .option('--label <key=value...>', 'labels that selectors of groups ask for')
    .option('--interface <address>', 'IPv4 address of the interface on that LAN')
    .option('--http-port <port>', 'where other leaders pull from')
    .option('--control-port <port>', 'where it hears unicast control frames')
    .option(
      '--peer <name=address:port...>',
      'another agent of the segment, if there is no multicast',
    )
    .option('--timings <preset>', 'standard or fast (demos)')
    .addHelpText('after', '\nThe control plane keeps its join token in <data-dir>/keys/join-token.')
    .action(async (options) => {
      const args = Object.entries({
        segment: options.segment,
        name: options.name,
        root: options.root,
        control: options.control,
        'join-token-file': options.joinTokenFile,
        interface: options.interface,
        'http-port': options.httpPort,
        'control-port': options.controlPort,
        timings: options.timings,
      }).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
      const labels = (options.label ?? []).flatMap((label: string) => ['--label', label]);
      const peers = (options.peer ?? []).flatMap((peer: string) => ['--peer', peer]);
      const child = spawn(process.execPath, [agentProgram, ...args, ...labels, ...peers], {
        stdio: 'inherit',
      });
      for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        process.removeAllListeners(signal);
        process.on(signal, () => child.kill(signal));
      }
      const [code] = await once(child, 'exit');
      process.exitCode = code ?? 0;
    });
}
