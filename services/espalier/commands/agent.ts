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
    .option('--control-ca <file>', "who signed the gateway's certificate (tls-authority.pem)")
    .option('--uplink <limits>', 'what it may send, e.g. 50mbit,08:00-18:00=5mbit')
    .option('--downlink <limits>', 'what it may take')
    .option('--cpu-percent <percent>', 'of one processor, for passing content on')
    .option('--spool-budget-bytes <bytes>', 'for received assignments')
    .option('--link <way>', 'to the control plane: auto, nats, websocket or https')
    .option('--nats-url <url>', 'NATS as this site sees it')
    .option('--public-url <url>', 'where other leaders reach this one, through a forwarded port')
    .option('--staging <site=dir...>', 'its staging role: where runs find content of a site')
    .option('--staging-token-file <file>', 'what admits that (or ESPALIER_STAGING_TOKEN)')
    .option('--leaf', 'other leaders cannot connect to this one')
    .option('--tls <on|off>', 'whether other agents connect by HTTPS (on)')
    .option('--timings <preset>', 'standard or fast (demos)')
    .option('--timing <name=ms...>', 'one of its durations, the same at all agents of the LAN')
    .option('--voting-factor <n>', '0: never leads; 1: as measured; 2 and more: goes before these')
    .addHelpText('after', '\nThe control plane keeps its join token in <data-dir>/keys/join-token.')
    .action(async (options) => {
      const args = passedOn.flatMap((name) => {
        const value = options[camelCase(name)];
        return value === undefined ? [] : [`--${name}`, value];
      });
      const labels = (options.label ?? []).flatMap((label: string) => ['--label', label]);
      const peers = (options.peer ?? []).flatMap((peer: string) => ['--peer', peer]);
      const staging = (options.staging ?? []).flatMap((site: string) => ['--staging', site]);
      const timing = (options.timing ?? []).flatMap((each: string) => ['--timing', each]);
      const leaf = options.leaf ? ['--leaf'] : [];
      const more = [...labels, ...peers, ...staging, ...timing, ...leaf];
      const child = spawn(process.execPath, [agentProgram, ...args, ...more], { stdio: 'inherit' });
      for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        process.removeAllListeners(signal);
        process.on(signal, () => child.kill(signal));
      }
      const [code] = await once(child, 'exit');
      process.exitCode = code ?? 0;
    });
}

/** Options that the agent's own program has under the same name. */
const passedOn = [
  'segment',
  'name',
  'root',
  'control',
  'join-token-file',
  'interface',
  'http-port',
  'control-port',
  'timings',
  'voting-factor',
  'uplink',
  'downlink',
  'cpu-percent',
  'spool-budget-bytes',
  'control-ca',
  'link',
  'nats-url',
  'public-url',
  'staging-token-file',
  'tls',
];

function camelCase(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
