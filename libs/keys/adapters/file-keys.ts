import { randomBytes } from 'node:crypto';
import { appendFile, mkdir, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  assignmentTrust,
  type RootDocument,
  readRootFile,
} from '#libs/assignment/root-document.js';
import { generatePrivateKeyPem, type SigningKey, signingKeyFromPem } from '../ed25519.js';
import type { AgentKeys, ControlKeys, ScheduledKey } from '../key-provider.js';
import { agreementPrivateKey } from '../x25519.js';

/**
 * Keys as files of mode 0600 in one directory, made on first use. Assignments are signed by
 * `assignment-key.pem` and every `assignment-key-<name>.pem`; whose signatures servers want, and
 * how many, is said by `root.json` (see libs/assignment/root-document), or else by the first key.
 */
export function controlKeysIn(directory: string): ControlKeys {
  const firstKey = async () =>
    signingKeyFromPem(await secret(directory, 'assignment-key.pem', generatePrivateKeyPem));
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
    auditKey: async () =>
      signingKeyFromPem(await secret(directory, 'audit-key.pem', generatePrivateKeyPem)),
    joinToken: async () =>
      (
        await secret(directory, 'join-token', () => `espj_${randomBytes(32).toString('hex')}`)
      ).trim(),
  };
}

export function agentKeysIn(directory: string): AgentKeys {
  const pem = () => secret(directory, 'agent-key.pem', generatePrivateKeyPem);
  return {
    agentKey: async () => signingKeyFromPem(await pem()),
    agreementKey: async () => agreementPrivateKey(await pem()),
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

/** Reads a secret file, making it first if there is none; of two makers, one wins. */
async function secret(directory: string, name: string, make: () => string): Promise<string> {
  const path = join(directory, name);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(`${make()}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFile(path, 'utf8');
}
