import { create } from '@bufbuild/protobuf';
import type { Cancel, Clock } from '#libs/clock/clock.js';
import {
  type LinkAnswer,
  type LinkRequest,
  LinkRequestKind,
  LinkRequestSchema,
  subjects,
} from '#libs/contracts/index.js';

/** Hears requests on a subject; `respond` answers one. */
export type Listen = (
  subject: string,
  onRequest: (payload: Uint8Array, respond: (answer: Uint8Array) => void) => void,
) => Cancel;

/** On which subjects one is asked what. */
export type SubjectsOf = (name: string) => readonly (readonly [string, LinkRequestKind])[];

const agentSubjects: SubjectsOf = (node) => [
  [subjects.agentNotification(node), LinkRequestKind.NOTIFICATION],
  [subjects.segmentStatus(node), LinkRequestKind.SEGMENT_STATUS],
];

export const stagingSubjects: SubjectsOf = (server) => [
  [subjects.stagingOrder(server), LinkRequestKind.STAGING_ORDER],
  [subjects.stagingLook(server), LinkRequestKind.STAGING_LOOK],
];

/** What waits for an agent. */
interface Waiting {
  readonly request: LinkRequest;
  readonly respond: (answer: Uint8Array) => void;
  readonly untilMs: number;
}

interface Mailbox {
  readonly waiting: Map<string, Waiting>;
  readonly stop: () => void;
  /** Ends the poll that is held. */
  wake: () => void;
  cancelExpiry: Cancel;
}

/** Who asked waits no longer than this, so neither does the request. */
const requestLifeMs = 10_000;
/** An agent that has not polled for so long is not linked here any more. */
const mailboxLifeMs = 15_000;
const longestPollMs = 55_000;

/**
 * What the control plane has to say to agents that are linked over HTTPS: heard for an agent while
 * it polls, kept until the agent has answered it. A request that the agent may not have got is
 * given again with its next poll, so agents hear some twice.
 */
export class Mailboxes {
  private readonly boxes = new Map<string, Mailbox>();
  private nextId = 1;

  constructor(
    private readonly listen: Listen,
    private readonly clock: Clock,
    private readonly subjectsOf: SubjectsOf = agentSubjects,
  ) {}

  /** Takes answers, then waits until there is something for the agent or the time is over. */
  async poll(
    node: string,
    answers: readonly LinkAnswer[],
    waitMs: number,
    signal: AbortSignal,
  ): Promise<LinkRequest[]> {
    const box = this.boxes.get(node) ?? this.open(node);
    for (const { id, payload } of answers) {
      box.waiting.get(id)?.respond(payload);
      box.waiting.delete(id);
    }
    // The newest poll counts: an older one has lost its agent.
    box.wake();
    box.cancelExpiry();
    if (this.requestsIn(box).length === 0) {
      await this.somethingIn(box, Math.min(waitMs, longestPollMs), signal);
    }
    box.cancelExpiry();
    box.cancelExpiry = this.clock.schedule(mailboxLifeMs, () => this.shut(node));
    return this.requestsIn(box);
  }

  /** Ends all polls and hears nothing more. */
  close(): void {
    for (const node of [...this.boxes.keys()]) this.shut(node);
  }

  private open(node: string): Mailbox {
    const box: Mailbox = {
      waiting: new Map(),
      stop: () => {
        for (const cancel of cancels) cancel();
      },
      wake: () => undefined,
      cancelExpiry: () => undefined,
    };
    const hear = (subject: string, kind: LinkRequestKind): Cancel =>
      this.listen(subject, (payload, respond) => {
        const id = String(this.nextId++);
        const request = create(LinkRequestSchema, { id, kind, payload });
        box.waiting.set(id, { request, respond, untilMs: this.clock.nowMs() + requestLifeMs });
        box.wake();
      });
    const cancels = this.subjectsOf(node).map(([subject, kind]) => hear(subject, kind));
    this.boxes.set(node, box);
    return box;
  }

  private shut(node: string): void {
    const box = this.boxes.get(node);
    if (!box) return;
    this.boxes.delete(node);
    box.cancelExpiry();
    box.stop();
    box.wake();
  }

  private somethingIn(box: Mailbox, waitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        cancel();
        signal.removeEventListener('abort', wake);
        if (box.wake === wake) box.wake = () => undefined;
        resolve();
      };
      const cancel = this.clock.schedule(waitMs, wake);
      box.wake = wake;
      signal.addEventListener('abort', wake);
      if (signal.aborted) wake();
    });
  }

  private requestsIn({ waiting }: Mailbox): LinkRequest[] {
    const nowMs = this.clock.nowMs();
    for (const [id, { untilMs }] of waiting) if (untilMs <= nowMs) waiting.delete(id);
    return [...waiting.values()].map(({ request }) => request);
  }
}
