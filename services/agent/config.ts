import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { DomainError } from '#libs/contracts/index.js';
import { BadTiming, customTimings } from '#libs/election/custom-timings.js';
import { fastTimings, type SegmentTimings, standardTimings } from '#libs/election/timings.js';
import { BadLinkLimit, type LinkLimits, linkLimitsIn } from '#libs/tree/link-limits.js';
import type { ControlWay } from './app/control-channel.js';

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
  readonly timings: SegmentTimings;
  /** 0: it never leads; 1: as measured; more: it goes before everybody of a lower factor. */
  readonly votingFactor: number;
  readonly spoolBudgetBytes: number;
  /** What it may send to and take from other sites, by the time of day. */
  readonly uplink: LinkLimits;
  readonly downlink: LinkLimits;
  /** The share of one processor that passing content on may take; `undefined`: no cap. */
  readonly cpuShare?: number;
  /** By which way it is linked to the control plane when it leads; `auto`: whichever works. */
  readonly link: 'auto' | ControlWay;
  /** NATS as this site sees it, instead of what the control plane says. */
  readonly natsUrl?: string;
  /** Who signed the gateway's certificate, PEM; `undefined`: somebody whom this host trusts. */
  readonly controlCa?: string;
  /** Whether its own server speaks HTTPS. */
  readonly tls: 'on' | 'off';
  /** Where other leaders reach it, through a port that is forwarded. */
  readonly publicUrl?: string;
  /** Others cannot, or shall not, connect to it. */
  readonly isLeaf: boolean;
  /** Its staging role: the directory of each site that runs may ask for. */
  readonly staging: Readonly<Record<string, string>>;
  /** What admits content of a staging server; an agent's identity alone does not. */
  readonly stagingToken: string;
}

export class BadAgentOption extends DomainError {
  override readonly name = 'BadAgentOption';
}

const defaultSpoolBudgetBytes = 10 * 1024 ** 3;

/** @throws BadAgentOption */
export function agentConfig(args: readonly string[], env: NodeJS.ProcessEnv): AgentConfig {
  const { values } = parse(args);
  const interfaceAddress = values.interface ?? env.ESPALIER_INTERFACE ?? '127.0.0.1';
  return {
    segment: required(values.segment, 'segment'),
    node: required(values.name, 'name'),
    root: required(values.root, 'root'),
    controlUrl: required(values.control ?? env.ESPALIER_URL, 'control').replace(/\/+$/, ''),
    joinToken: env.ESPALIER_JOIN_TOKEN ?? tokenIn(values['join-token-file']),
    labels: Object.fromEntries((values.label ?? []).map((text) => pairIn('label', text))),
    interfaceAddress,
    httpHost: interfaceAddress,
    httpPort: Number(values['http-port'] ?? 0),
    ...(values['control-port'] ? { controlPort: Number(values['control-port']) } : {}),
    peers: Object.fromEntries((values.peer ?? []).map((text) => pairIn('peer', text))),
    timings: timingsOf(values.timings ?? env.ESPALIER_TIMINGS ?? 'standard', values.timing),
    votingFactor: factorIn(values['voting-factor'] ?? '1'),
    spoolBudgetBytes: Number(values['spool-budget-bytes'] ?? defaultSpoolBudgetBytes),
    uplink: limitsOf('uplink', values.uplink ?? env.ESPALIER_UPLINK),
    downlink: limitsOf('downlink', values.downlink ?? env.ESPALIER_DOWNLINK),
    ...(values['cpu-percent'] ? { cpuShare: percentIn(values['cpu-percent']) } : {}),
    link: oneOf('link', values.link ?? env.ESPALIER_LINK ?? 'auto', links),
    ...(values['nats-url'] ? { natsUrl: values['nats-url'] } : {}),
    ...(values['control-ca'] ? { controlCa: fileIn('control-ca', values['control-ca']) } : {}),
    tls: oneOf('tls', values.tls ?? 'on', onOrOff),
    ...(values['public-url'] ? { publicUrl: values['public-url'].replace(/\/+$/, '') } : {}),
    isLeaf: values.leaf ?? false,
    staging: Object.fromEntries((values.staging ?? []).map((text) => pairIn('staging', text))),
    stagingToken: stagingTokenIn(values, env),
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
        timing: { type: 'string', multiple: true },
        'voting-factor': { type: 'string' },
        'spool-budget-bytes': { type: 'string' },
        uplink: { type: 'string' },
        downlink: { type: 'string' },
        'cpu-percent': { type: 'string' },
        link: { type: 'string' },
        'nats-url': { type: 'string' },
        'control-ca': { type: 'string' },
        tls: { type: 'string' },
        'public-url': { type: 'string' },
        leaf: { type: 'boolean' },
        staging: { type: 'string', multiple: true },
        'staging-token-file': { type: 'string' },
      },
    });
  } catch (cause) {
    throw new BadAgentOption((cause as Error).message, 'espalier agent --help lists the options', {
      cause,
    });
  }
}

const presets = { standard: standardTimings, fast: fastTimings };
const links = ['auto', 'nats', 'websocket', 'https'] as const;
const onOrOff = ['on', 'off'] as const;

function oneOf<T extends string>(option: string, value: string, known: readonly T[]): T {
  const found = known.find((each) => each === value);
  if (found !== undefined) return found;
  throw new BadAgentOption(`--${option} ${value} is unknown`, `give one of: ${known.join(', ')}`);
}

function timingsOf(preset: string, given: readonly string[] = []): SegmentTimings {
  const names = Object.keys(presets) as (keyof typeof presets)[];
  const timings = presets[oneOf('timings', preset, names)];
  try {
    return customTimings(timings, Object.fromEntries(given.map((text) => pairIn('timing', text))));
  } catch (cause) {
    if (!(cause instanceof BadTiming)) throw cause;
    throw new BadAgentOption(`--timing ${cause.message}`, cause.remedy, { cause });
  }
}

function factorIn(text: string): number {
  const factor = Number(text);
  if (Number.isInteger(factor) && factor >= 0) return factor;
  const remedy = 'give a whole number: 0 never leads, 1 votes as measured, 2 goes before these';
  throw new BadAgentOption(`--voting-factor ${text} is no factor`, remedy);
}

function limitsOf(option: string, text = 'none'): LinkLimits {
  try {
    return linkLimitsIn(text);
  } catch (cause) {
    if (!(cause instanceof BadLinkLimit)) throw cause;
    const remedy = `give e.g. --${option} 50mbit,08:00-18:00=5mbit`;
    throw new BadAgentOption(`--${option}: ${cause.message}`, remedy, { cause });
  }
}

function percentIn(text: string): number {
  const percent = Number(text);
  if (percent > 0) return percent / 100;
  throw new BadAgentOption(`--cpu-percent ${text} is no share`, 'give a number above 0, e.g. 50');
}

function fileIn(option: string, path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new BadAgentOption(`--${option} cannot be read: ${reason}`, 'check the path', { cause });
  }
}

/** @throws BadAgentOption for a staging role without it */
function stagingTokenIn(
  values: { readonly staging?: string[]; readonly 'staging-token-file'?: string },
  env: NodeJS.ProcessEnv,
): string {
  if (!values.staging?.length) return '';
  const path = values['staging-token-file'];
  const token = path ? fileIn('staging-token-file', path) : env.ESPALIER_STAGING_TOKEN;
  return required(token, 'staging-token-file');
}

function tokenIn(path: string | undefined): string {
  return path ? fileIn('join-token-file', path) : '';
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
