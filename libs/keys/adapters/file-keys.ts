import { randomBytes } from 'node:crypto';
import { appendFile, link, mkdir, readdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  assignmentTrust,
  type RootDocument,
  readRootFile,
} from '#libs/assignment/root-document.js';
import { generatePrivateKeyPem, type SigningKey, signingKeyFromPem } from '../ed25519.js';
import {
  type AgentKeys,
  type ControlKeys,
  contentTokenFile,
  type ScheduledKey,
} from '../key-provider.js';
import { controlPlaneUri } from '../tls-names.js';
import { agreementPrivateKey } from '../x25519.js';

/**
 * Keys as files of mode 0600 in one directory, made on first use. Assignments are signed by
 * `assignment-key.pem` and every `assignment-key-<name>.pem`; whose signatures servers want, and
 * how many, is said by `root.json` (see libs/assignment/root-document), or else by the first key.
 * The root documents before it stay as `root-<version>.json`, for agents that were away.
 */
export function controlKeysIn(directory: string): ControlKeys {
  const firstKey = async () =>
    signingKeyFromPem(await secret(directory, 'assignment-key.pem', generatePrivateKeyPem));
  const authority = async () => {
    // Agents have no use for it and start sooner without.
    const { makeAuthority, tlsAuthority } = await import('./tls-authority.js');
    const keyPem = await secret(directory, 'tls-authority-key.pem', generatePrivateKeyPem);
    const make = () => makeAuthority(keyPem, Date.now());
    return tlsAuthority(keyPem, await secret(directory, 'tls-authority.pem', make));
  };
  const fileOf = (segment: string) => `segment-${encodeURIComponent(segment)}.key`;
  const segmentKeys = async (segment: string) =>
    scheduleIn(
      await secret(directory, fileOf(segment), () => keyLine(randomBytes(32), Date.now())),
    );
  return {
    assignmentKeys: async () => [await firstKey(), ...(await furtherKeys(directory))],
    trustRoot: async () => {
      const root = await rootIn(directory);
      if (root) return assignmentTrust(root, Date.now());
      return { keys: [(await firstKey()).publicKey], threshold: 1 };
    },
    rootDocuments: () => rootDocumentsIn(directory),
    enrolmentKey: async () =>
      signingKeyFromPem(await secret(directory, 'enrolment-key.pem', generatePrivateKeyPem)),
    segmentKeys,
    rotateSegmentKey: async (segment, nowMs, useFromMs) => {
      const last = (await segmentKeys(segment)).at(-1);
      if (last && last.useFromMs > nowMs) return last;
      const next = { epoch: (last?.epoch ?? 0) + 1, key: randomBytes(32), useFromMs };
      const line = `${keyLine(next.key, useFromMs)}\n`;
      await appendFile(join(directory, fileOf(segment)), line, { flush: true });
      return next;
    },
    tlsAuthority: authority,
    tlsIdentity: async (nowMs) => {
      const privateKey = await secret(directory, 'tls-key.pem', generatePrivateKeyPem);
      const { publicKey } = signingKeyFromPem(privateKey);
      const { certificates, issue } = await authority();
      const certificate = await issue(publicKey, controlPlaneUri, nowMs);
      return { privateKey, certificate, authorities: certificates };
    },
    auditKey: async () =>
      signingKeyFromPem(await secret(directory, 'audit-key.pem', generatePrivateKeyPem)),
    natsIssuerKey: async () =>
      signingKeyFromPem(await secret(directory, 'nats-issuer-key.pem', generatePrivateKeyPem)),
    joinToken: () => token(directory, 'join-token', 'espj_'),
    stagingToken: () => token(directory, 'staging-token', 'espt_'),
    contentToken: () => token(directory, contentTokenFile, 'espc_'),
  };
}

export function agentKeysIn(directory: string): AgentKeys {
  const pem = () => secret(directory, 'agent-key.pem', generatePrivateKeyPem);
  return {
    agentKey: async () => signingKeyFromPem(await pem()),
    agreementKey: async () => agreementPrivateKey(await pem()),
    privateKeyPem: pem,
  };
}

function keyLine(key: Buffer, useFromMs: number): string {
  return `${key.toString('hex')} ${useFromMs}`;
}

/** One key a line, the line's number is its epoch: the key in hex, from when on it is used. */
function scheduleIn(text: string): ScheduledKey[] {
  return text
    .trim()
    .split('\n')
    .map((line, index) => {
      const [hex = '', useFromMs = '0'] = line.split(' ');
      const key = new Uint8Array(Buffer.from(hex, 'hex'));
      return { epoch: index + 1, key, useFromMs: Number(useFromMs) };
    });
}

async function furtherKeys(directory: string): Promise<SigningKey[]> {
  const names = (await readdir(directory)).filter((name) => /^assignment-key-.+\.pem$/.test(name));
  const keys = names.sort().map(async (name) => readFile(join(directory, name), 'utf8'));
  return (await Promise.all(keys)).map(signingKeyFromPem);
}

async function rootIn(directory: string): Promise<RootDocument | undefined> {
  try {
    return readRootFile(await readFile(join(directory, 'root.json')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function token(directory: string, name: string, prefix: string): Promise<string> {
  return (await secret(directory, name, () => prefix + randomBytes(32).toString('hex'))).trim();
}

async function rootDocumentsIn(directory: string): Promise<readonly Uint8Array[]> {
  const newest = await rootIn(directory);
  if (!newest) return [];
  const names = (await readdir(directory)).filter((name) => /^root-\d+\.json$/.test(name));
  const files = [...names, 'root.json'].map((name) => readFile(join(directory, name)));
  const byVersion = new Map<number, Uint8Array>();
  for (const bytes of await Promise.all(files)) byVersion.set(readRootFile(bytes).version, bytes);
  return [...byVersion].sort(([a], [b]) => a - b).map(([, bytes]) => bytes);
}

/** Reads a secret file, making it first if there is none; of two makers, one wins. */
async function secret(
  directory: string,
  name: string,
  make: () => string | Promise<string>,
): Promise<string> {
  const path = join(directory, name);
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, `${(await make()).trimEnd()}\n`, { mode: 0o600, flush: true });
  try {
    // Nobody reads a half written secret, and nobody's is overwritten.
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(draft);
  }
  return readFile(path, 'utf8');
}
