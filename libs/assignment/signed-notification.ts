import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Notification, NotificationSchema } from '#libs/contracts/index.js';
import type { SigningKey } from '#libs/keys/ed25519.js';
import type { TrustRoot } from '#libs/keys/key-provider.js';
import { encodeEnvelope, openEnvelope, parseEnvelope, signEnvelope } from './envelope.js';
import { AssignmentRefused } from './errors.js';

const payloadType = 'application/vnd.espalier.notification.v1+protobuf';

/** A notification that any leader may carry: the control plane signed it. */
export function signNotification(
  notification: Notification,
  keys: readonly SigningKey[],
): Uint8Array {
  const payload = toBinary(NotificationSchema, notification);
  return encodeEnvelope(signEnvelope(payloadType, payload, keys));
}

/** @throws AssignmentRefused `malformed`, `untrusted` */
export function openNotification(bytes: Uint8Array, trust: TrustRoot): Notification {
  const payload = openEnvelope(parseEnvelope(bytes), payloadType, trust);
  try {
    return fromBinary(NotificationSchema, payload);
  } catch (cause) {
    throw new AssignmentRefused('malformed', 'the notification cannot be decoded', { cause });
  }
}
