import { create } from '@bufbuild/protobuf';
import { ControlMessageSchema } from '#libs/contracts/index.js';
import type { ControlPort } from '../control-port.js';
import { payloadsOf } from '../data-frame.js';
import type { DataSender } from '../data-port.js';

/** With what surrounds it, such a frame fits a datagram on every network that IPv6 may use. */
export const inlineFrameBytes = 1_024;

/** Sends frames of a small container on the control channel: no group to join, no socket. */
export function inlineSender(control: ControlPort): DataSender {
  return {
    rateBytesPerS: 100_000_000,
    maxRateBytesPerS: 100_000_000,
    burstBytes: 16 * inlineFrameBytes,
    send(frames, frameBytes) {
      for (const value of payloadsOf(frames, frameBytes)) {
        control.broadcast(create(ControlMessageSchema, { message: { case: 'dataFrame', value } }));
      }
    },
    flushed: () => undefined,
    close: () => undefined,
  };
}
