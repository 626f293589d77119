import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { type Clock, sleep } from '#libs/clock/clock.js';
import {
  DomainError,
  type EnrolReply,
  EnrolReplySchema,
  EnrolRequestSchema,
  type ErrorView,
} from '#libs/contracts/index.js';
import { type PeerHttp, readAll } from '#libs/fleet-http/adapters/peer-http.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import type { AgentConfig } from '../config.js';

export class EnrolmentRefused extends DomainError {
  override readonly name = 'EnrolmentRefused';
}

/** The control plane has removed this server for good. */
export class ServerRemoved extends DomainError {
  override readonly name = 'ServerRemoved';
}

const firstRetryMs = 200;
const maxRetryMs = 5_000;
const answerWithinMs = 20_000;
const longestAnswerBytes = 16 * 1024 * 1024;

/**
 * Asks the control plane for admission until it answers. Where it does not answer, an agent that
 * was admitted before goes on with what it was given then.
 * @throws EnrolmentRefused, ServerRemoved
 */
export async function enrolAgent(
  config: AgentConfig,
  key: SigningKey,
  controlPort: number,
  http: PeerHttp,
  clock: Clock,
  log: (line: string) => void,
): Promise<EnrolReply> {
  const path = pathIn(config);
  for (let retryMs = firstRetryMs; ; retryMs = Math.min(2 * retryMs, maxRetryMs)) {
    try {
      return await askAgain(config, key, controlPort, http);
    } catch (error) {
      if (error instanceof EnrolmentRefused || error instanceof ServerRemoved) throw error;
      const kept = await readKept(path);
      if (kept) return kept;
      log(`the control plane does not answer yet (${(error as Error).message})`);
      await sleep(clock, retryMs);
    }
  }
}

/**
 * Asks once.
 * @throws EnrolmentRefused, ServerRemoved, or an error when the control plane does not answer
 */
export async function askAgain(
  config: AgentConfig,
  key: SigningKey,
  controlPort: number,
  http: PeerHttp,
): Promise<EnrolReply> {
  const reply = await ask(config, key, controlPort, http);
  // What is to be served now says nothing of the next start.
  await keep(pathIn(config), { ...reply, expected: [] });
  return reply;
}

const firstControlPort = 10_000;
const controlPorts = 10_000;

/** The same at every start, so that peers find the agent again; below the ephemeral ports. */
export function controlPortOf({ keyId }: SigningKey): number {
  return firstControlPort + (Number.parseInt(keyId.slice(0, 8), 16) % controlPorts);
}

function pathIn({ root }: AgentConfig): string {
  return join(root, 'keys', 'enrolment.json');
}

async function ask(
  config: AgentConfig,
  key: SigningKey,
  controlPort: number,
  http: PeerHttp,
): Promise<EnrolReply> {
  const request = create(EnrolRequestSchema, {
    node: config.node,
    segment: config.segment,
    joinToken: config.joinToken,
    publicKey: key.publicKey,
    labels: { ...config.labels },
    controlAddress: `${config.interfaceAddress}:${controlPort}`,
  });
  const response = await http.request(`${config.controlUrl}/api/v1/enrol`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(toJson(EnrolRequestSchema, request))),
    signal: AbortSignal.timeout(answerWithinMs),
    expect: 'control-plane',
  });
  const text = (await readAll(response, longestAnswerBytes)).toString();
  const body = JSON.parse(text) as JsonValue;
  if (response.status === 200)
    return fromJson(EnrolReplySchema, body, { ignoreUnknownFields: true });
  const { code, message = '', remedy = '' } = body as Partial<ErrorView>;
  if (response.status >= 500) throw new Error(message || `HTTP ${response.status}`);
  if (code === 'KeyWasRemoved') throw new ServerRemoved(message, remedy);
  throw new EnrolmentRefused(`${config.controlUrl} refused ${config.node}: ${message}`, remedy);
}

async function keep(path: string, reply: EnrolReply): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true, mode: 0o700 });
  await writeFile(`${path}.new`, JSON.stringify(toJson(EnrolReplySchema, reply)), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

async function readKept(path: string): Promise<EnrolReply | undefined> {
  try {
    return fromJson(EnrolReplySchema, JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}
