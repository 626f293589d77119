import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { DomainError } from '#libs/contracts/index.js';

/** How an agent was started. */
export interface AgentConfig {
  readonly segment: string;
  readonly node: string;
  /** Where sites, spool and keys live. */
  readonly root: string;
  /** HTTP base URL of a control-plane gateway. */
  readonly controlUrl: string;
  readonly joinToken: string;
  readonly labels: Readonly<Record<string, string>>;
  /** IPv4 address of the interface that the segment's LAN is on. */
  readonly interfaceAddress: string;
  /** Where other leaders and members reach this agent; port 0: any free one. */
  readonly httpHost: string;
  readonly httpPort: number;
  /** Where it hears unicast control frames; `undefined`: one that follows from its key. */
  readonly controlPort?: number;
  /** Peers that are known without the control plane: node to `address:port`. */
  readonly peers: Readonly<Record<string, string>>;
  readonly timings: 'standard' | 'fast';
  readonly spoolBudgetBytes: number;
}

export class BadAgentOption extends DomainError {
  override readonly name = 'BadAgentOption';
}

const defaultSpoolBudgetBytes = 10 * 1024 ** 3;

/** @throws BadAgentOption */
export function agentConfig(args: readonly string[], env: NodeJS.ProcessEnv): AgentConfig {
  const { values } = parse(args);
  const interfaceAddress = values.interface ?? env.ESPALIER_INTERFACE ?? '127.0.0.1';
  const timings = values.timings ?? env.ESPALIER_TIMINGS ?? 'standard';
  if (timings !== 'standard' && timings !== 'fast') {
    throw new BadAgentOption(`--timings ${timings} is unknown`, 'give standard or fast');
  }
  return {
    segment: required(values.segment, 'segment'),
    node: required(values.name, 'name'),
    root: required(values.root, 'root'),
    controlUrl: required(values.control ?? env.ESPALIER_URL, 'control').replace(/\/+$/, ''),
    joinToken: env.ESPALIER_JOIN_TOKEN ?? joinTokenIn(values['join-token-file']),
    labels: Object.fromEntries((values.label ?? []).map((text) => pairIn('label', text))),
    interfaceAddress,
    httpHost: interfaceAddress,
    httpPort: Number(values['http-port'] ?? 0),
    ...(values['control-port'] ? { controlPort: Number(values['control-port']) } : {}),
    peers: Object.fromEntries((values.peer ?? []).map((text) => pairIn('peer', text))),
    timings,
    spoolBudgetBytes: Number(values['spool-budget-bytes'] ?? defaultSpoolBudgetBytes),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        segment: { type: 'string' },
        name: { type: 'string' },
        root: { type: 'string' },
        control: { type: 'string' },
        'join-token-file': { type: 'string' },
        label: { type: 'string', multiple: true },
        interface: { type: 'string' },
        'http-port': { type: 'string' },
        'control-port': { type: 'string' },
        peer: { type: 'string', multiple: true },
        timings: { type: 'string' },
        'spool-budget-bytes': { type: 'string' },
      },
    });
  } catch (cause) {
    throw new BadAgentOption((cause as Error).message, 'espalier agent --help lists the options', {
      cause,
    });
  }
}

function joinTokenIn(path: string | undefined): string {
  if (!path) return '';
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new BadAgentOption(`the join token cannot be read: ${reason}`, 'check the path', {
      cause,
    });
  }
}

function required(value: string | undefined, option: string): string {
  if (value) return value;
  throw new BadAgentOption(`--${option} is missing`, 'espalier agent --help lists the options');
}

function pairIn(option: string, text: string): [string, string] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new BadAgentOption(`--${option} ${text} has no value`, `give --${option} name=value`);
}
