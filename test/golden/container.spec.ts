import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { expect, test } from '@jest/globals';
import { measureBody } from '#libs/assignment/body.js';
import { dataKeyFor, newDataKey } from '#libs/assignment/data-key.js';
import { openContainer, openData, readCommands, verifyBody } from '#libs/assignment/reader.js';
import { writeAssignment, writeContainer } from '#libs/assignment/writer.js';
import { type Command, CommandSchema, Compression, JobType } from '#libs/contracts/index.js';
import { signingKeyFromPem } from '#libs/keys/ed25519.js';
import { agreementPrivateKey } from '#libs/keys/x25519.js';

/** Files of the source tree, from the compiled test in dist/test/golden. */
const golden = join(dirname(new URL(import.meta.url).pathname), '../../../test/golden');
const content = Buffer.from('Hello, espalier.\n'.repeat(4));
const digest = '235f5dfef3490968f48e221b4c94fc8ef8f93a079ae1e9bdb12465946f33fcd3';

const commands: Command[] = [
  { case: 'makeDirectory', value: { path: 'docs', mode: 0o755 } },
  {
    case: 'putFile',
    value: {
      path: 'docs/hello.txt',
      mode: 0o644,
      mtimeMs: 1_700_000_000_000n,
      sizeBytes: BigInt(content.length),
      digest: new Uint8Array(Buffer.from(digest, 'hex')),
      data: { offset: 0n, length: BigInt(content.length), compression: Compression.NONE },
    },
  } as const,
].map((command) => create(CommandSchema, { command } as never));

const header = {
  assignmentId: 'www-42',
  runId: 'run-golden',
  site: 'www',
  sequence: 42n,
  type: JobType.PUBLISH,
  part: 1,
  parts: 1,
  resultTreeDigest: new Uint8Array(32).fill(7),
  diskNeededBytes: BigInt(content.length),
  agentType: 'posix/1',
  issuedAtMs: 1_700_000_000_000n,
  expiresAtMs: 1_700_086_400_000n,
  scope: { nodes: ['paris-1', 'paris-2'] },
};

/** Signs: the key of 32 bytes of 1. */
const key = signingKeyFromPem(pemOf(1));
/** Of the server that may read what is sealed: the key of 32 bytes of 2. */
const serverPem = pemOf(2);

function pemOf(byte: number): string {
  const seed = Buffer.alloc(32, byte);
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  return `-----BEGIN PRIVATE KEY-----\n${pkcs8.toString('base64')}\n-----END PRIVATE KEY-----\n`;
}

test('the container written today is the golden one, byte for byte', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'espalier-golden-'));
  try {
    const path = join(directory, 'container');
    await writeAssignment({ path, header, commands, data: [content], keys: [key] });
    const [written, expected] = [
      await readFile(path),
      await readFile(join(golden, 'container.bin')),
    ];
    expect(written.toString('hex')).toBe(expected.toString('hex'));
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('the golden container is read for ever', async () => {
  const path = join(golden, 'container.bin');
  const trust = { keys: [key.publicKey], threshold: 1 };
  const head = await openContainer(path, trust);
  expect(head.header).toMatchObject({ ...header, scope: { nodes: ['paris-1', 'paris-2'] } });
  await verifyBody(path, head);
  expect(await readCommands(path, head)).toEqual(commands);
  const data = await openData(path, head);
  const slice = { offset: 0n, length: BigInt(content.length), compression: Compression.NONE };
  expect(Buffer.from(await data.read(slice as never, content.length))).toEqual(content);
  await data.close();
});

/*
 * The same, sealed for paris-1, but for the content of hello.txt. Its key agreement is of a random
 * key, so that it is read only; WRITE_GOLDEN=1 makes it anew.
 */
test('the golden sealed container is read for ever', async () => {
  const path = join(golden, 'sealed-container.bin');
  if (process.env.WRITE_GOLDEN) await writeSealed(path);
  const head = await openContainer(path, { keys: [key.publicKey], threshold: 1 });
  expect(head.header.encryption?.clearDataBytes).toBe(BigInt(content.length));
  await verifyBody(path, head);
  const dataKey = dataKeyFor(head.header, 'paris-1', agreementPrivateKey(serverPem));
  expect(await readCommands(path, head, dataKey)).toEqual(commands);
  const data = await openData(path, head, dataKey);
  const slice = { offset: 0n, length: BigInt(content.length), compression: Compression.NONE };
  expect(Buffer.from(await data.read(slice as never, content.length))).toEqual(content);
  await data.close();
  const bytes = await readFile(path);
  expect([bytes.includes('hello.txt'), bytes.includes(content)]).toEqual([false, true]);
});

async function writeSealed(path: string): Promise<void> {
  const { publicKey } = signingKeyFromPem(serverPem);
  const wrapped = newDataKey(header, [{ node: 'paris-1', publicKey }]);
  const { dataKey, encryption } = wrapped;
  const dataPath = `${path}.data`;
  await writeFile(dataPath, content);
  const body = await measureBody(commands, dataPath, { dataKey, clearBytes: content.length });
  await writeContainer(path, { ...header, encryption }, body, [key]);
  await rm(dataPath);
}
