import { create, toBinary } from '@bufbuild/protobuf';
import { expect, test } from '@jest/globals';
import { CommandBufferSchema, CommandSchema } from '#libs/contracts/index.js';
import { frameMessage, splitMessages } from './message-stream.js';

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function split(bytes: Uint8Array, size = bytes.length): Promise<Buffer[]> {
  const messages: Buffer[] = [];
  for await (const message of splitMessages(pieces(bytes, size)))
    messages.push(Buffer.from(message));
  return messages;
}

const messages = [0, 1, 127, 128, 16_383, 16_384, 70_000].map((length) => Buffer.alloc(length, 7));

test('messages come back whatever the pieces they arrive in', async () => {
  const bytes = Buffer.concat(messages.map(frameMessage));
  for (const size of [1, 2, 1000, 65_536, bytes.length]) {
    expect(await split(bytes, size)).toEqual(messages);
  }
});

test('the framing is that of a protobuf CommandBuffer', () => {
  const commands = ['a', 'b'.repeat(300)].map((path) =>
    create(CommandSchema, { command: { case: 'deleteFile', value: { path } } }),
  );
  const frames = commands.map((command) => frameMessage(toBinary(CommandSchema, command)));
  const whole = toBinary(CommandBufferSchema, create(CommandBufferSchema, { commands }));
  expect(Buffer.concat(frames)).toEqual(Buffer.from(whole));
});

test.each([
  ['another field', [0x12, 0x00], 'malformed'],
  ['half a prefix', [0x0a], 'malformed'],
  ['half a length', [0x0a, 0x80], 'malformed'],
  ['half a message', [0x0a, 0x02, 0x00], 'malformed'],
  ['a length beyond all reason', [0x0a, 0xff, 0xff, 0xff, 0x7f], 'too-large'],
  ['a length that never ends', [0x0a, 0x80, 0x80, 0x80, 0x80, 0x80], 'too-large'],
])('%s is refused', async (_, bytes, reason) => {
  for (const size of [1, bytes.length]) {
    await expect(split(Uint8Array.from(bytes), size)).rejects.toMatchObject({ reason });
  }
});
