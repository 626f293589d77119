import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { LinkAnswerSchema, LinkRequestKind } from '#libs/contracts/index.js';
import { VirtualClock } from '#libs/testkit/virtual-clock.js';
import { type Listen, Mailboxes } from './mailboxes.js';

/** Subjects that are listened to, and a way to send on them. */
function bus() {
  const heard = new Map<string, Parameters<Listen>[1]>();
  const listen: Listen = (subject, onRequest) => {
    heard.set(subject, onRequest);
    return () => heard.delete(subject);
  };
  const answers: string[] = [];
  const send = (subject: string, text: string) =>
    heard.get(subject)?.(Buffer.from(text), (answer) => {
      answers.push(Buffer.from(answer).toString());
    });
  return { heard, listen, send, answers };
}

const never = new AbortController().signal;
const notification = 'agent.p1.notification';
const answer = (id: string, text: string) =>
  create(LinkAnswerSchema, { id, payload: Buffer.from(text) });

describe('mailboxes', () => {
  const setUp = () => {
    const { heard, listen, send, answers } = bus();
    const clock = new VirtualClock();
    return { heard, send, answers, clock, boxes: new Mailboxes(listen, clock) };
  };

  test('a poll is held until something comes', async () => {
    const { boxes, send } = setUp();
    const polled = boxes.poll('p1', [], 20_000, never);
    send(notification, 'come');
    const [request] = await polled;
    expect(request).toMatchObject({ kind: LinkRequestKind.NOTIFICATION });
    expect(Buffer.from(request?.payload ?? []).toString()).toBe('come');
  });

  test('a poll ends with nothing when its time is over', async () => {
    const { boxes, clock } = setUp();
    const polled = boxes.poll('p1', [], 20_000, never);
    clock.advance(20_000);
    expect(await polled).toEqual([]);
  });

  test('an answer goes to who asked, once', async () => {
    const { boxes, send, answers } = setUp();
    const polled = boxes.poll('p1', [], 20_000, never);
    send('agent.p1.segment', 'how are you?');
    const [request] = await polled;
    const id = request?.id ?? '';
    await boxes.poll('p1', [answer(id, 'well'), answer(id, 'very')], 0, AbortSignal.abort());
    expect(answers).toEqual(['well']);
  });

  test('what an agent has not answered is given to it again, but not for ever', async () => {
    const { boxes, send, clock } = setUp();
    const polled = boxes.poll('p1', [], 20_000, never);
    send(notification, 'come');
    const [first] = await polled;
    expect(await boxes.poll('p1', [], 20_000, never)).toEqual([first]);
    clock.advance(10_000);
    expect(await boxes.poll('p1', [], 0, AbortSignal.abort())).toEqual([]);
  });

  test('nothing is confirmed in the name of an agent that has not answered', async () => {
    const { boxes, send, answers } = setUp();
    const polled = boxes.poll('p1', [], 20_000, never);
    send(notification, 'come');
    await polled;
    await boxes.poll('p2', [answer('1', '')], 0, AbortSignal.abort());
    expect(answers).toEqual([]);
  });

  test('an agent that polls no more is not listened for', async () => {
    const { boxes, heard, clock } = setUp();
    await boxes.poll('p1', [], 0, AbortSignal.abort());
    expect([...heard.keys()]).toEqual([notification, 'agent.p1.segment']);
    clock.advance(15_000);
    expect(heard.size).toBe(0);
  });

  test('a newer poll of an agent ends the older one', async () => {
    const { boxes, clock } = setUp();
    const older = boxes.poll('p1', [], 20_000, never);
    const newer = boxes.poll('p1', [], 20_000, never);
    expect(await older).toEqual([]);
    clock.advance(20_000);
    expect(await newer).toEqual([]);
  });

  test('a gateway that stops ends all polls', async () => {
    const { boxes, heard } = setUp();
    const polled = boxes.poll('p1', [], 20_000, never);
    boxes.close();
    expect(await polled).toEqual([]);
    expect(heard.size).toBe(0);
  });
});
