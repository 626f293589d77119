import { create, toBinary } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { blockBytes } from '#libs/assignment/container.js';
import { signNotification } from '#libs/assignment/signed-notification.js';
import { NotificationSchema } from '#libs/contracts/index.js';
import { generatePrivateKeyPem, signingKeyFromPem } from '#libs/keys/ed25519.js';
import { PullFixture } from './pull-fixture.js';

let fixture: PullFixture;

beforeEach(async () => {
  fixture = await PullFixture.make(blockBytes);
});
afterEach(() => fixture.close());

describe('a notification that another leader brings', () => {
  const notification = create(NotificationSchema, { assignmentId: 'x', segment: 'paris' });
  const post = async (url: string, body: Uint8Array) =>
    (await fetch(`${url}/notification`, { method: 'POST', body: Buffer.from(body) })).status;

  test('is taken when the control plane signed it', async () => {
    const { url } = await fixture.agent('paris');
    expect(await post(url, signNotification(notification, [fixture.key]))).toBe(204);
    expect(fixture.notified).toEqual(['x']);
  });

  test('is refused when anybody else did, nobody did, or it is for another segment', async () => {
    const { url } = await fixture.agent('paris');
    const stranger = signingKeyFromPem(generatePrivateKeyPem());
    const rome = create(NotificationSchema, { ...notification, segment: 'rome' });
    expect(await post(url, signNotification(notification, [stranger]))).toBe(403);
    expect(await post(url, toBinary(NotificationSchema, notification))).toBe(403);
    expect(await post(url, signNotification(rome, [fixture.key]))).toBe(403);
    expect(fixture.notified).toEqual([]);
  });
});
