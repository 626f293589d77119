import { create } from '@bufbuild/protobuf';
import { type ControlMessage, ControlMessageSchema } from '#libs/contracts/index.js';
import type { FrameKeys } from '#libs/multicast/sealed-frame.js';
import { FrameOpener, FrameSealer, frameTypes } from '#libs/multicast/sealed-frame.js';
import {
  type ControlIdentity,
  ControlVerifier,
  signControl,
  type Verdict,
} from '#libs/multicast/signed-control.js';
import { testEnrolment } from './test-enrolment.js';

export const testEnrolments = testEnrolment();
export const testSegmentKey = { epoch: 1, key: new Uint8Array(32).fill(9) };

/** One agent's side of a control channel without sockets: frames out, verdicts in. */
export class ControlEnd {
  readonly sealer: FrameSealer;
  readonly opener: FrameOpener;
  private readonly verifier: ControlVerifier;

  constructor(
    readonly node: string,
    readonly clock: { nowMs: number },
    keys: FrameKeys = testSegmentKey,
    readonly segment = 'lan',
    readonly identity: ControlIdentity = testEnrolments.identityOf(node, segment),
  ) {
    this.sealer = new FrameSealer(segment, node, keys);
    const { bootId } = this.sealer;
    this.opener = new FrameOpener(frameTypes.control, segment, node, keys, {
      ownBootId: bootId,
      nowMs: () => clock.nowMs,
    });
    const enrolmentKeys = testEnrolments.keys;
    const startedAtMs = clock.nowMs;
    this.verifier = new ControlVerifier({ segment, node, bootId, enrolmentKeys, startedAtMs });
  }

  /** A frame that says something in this end's name. */
  say(message: ControlMessage = leaving(this.node)): Buffer {
    return this.sealer.sealBound(frameTypes.control, (header) =>
      signControl(this.identity, header, message, this.clock.nowMs),
    );
  }

  /** What becomes of a frame here. */
  hear(frame: Uint8Array, source = '10.0.0.1'): Verdict {
    const before = { ...this.opener.dropped };
    const opened = this.opener.open(frame, source);
    if (opened) return this.verifier.verify(opened, this.clock.nowMs);
    const { dropped } = this.opener;
    const reasons = Object.keys(dropped) as (keyof typeof dropped)[];
    const reason = reasons.find((name) => dropped[name] > before[name]);
    return { dropped: reason ?? 'malformed' };
  }
}

export function leaving(node: string): ControlMessage {
  return create(ControlMessageSchema, { message: { case: 'leave', value: { node } } });
}
