import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
} from '@nats-io/jetstream';
import { headers, type MsgHdrs } from '@nats-io/nats-core';
import { deadLetterStream } from '#libs/event-log/adapters/jetstream/streams.js';
import { reasonOf } from '#libs/telemetry/logger.js';

/** A message on its way to a handler: from its stream, or from the dead letters. */
export interface Delivery {
  readonly subject: string;
  readonly headers?: MsgHdrs;
  readonly data: Uint8Array;
  /** Sequence in the stream that it was published to. */
  readonly streamSequence: number;
}

/** A message that could not be handled, or that follows one of its aggregate. */
export interface DeadLetter extends Delivery {
  /** Sequence in the stream of dead letters. */
  readonly letterSequence: number;
  readonly attempts: number;
  readonly reason: string;
  readonly parkedAtMs: number;
}

/** The message's own headers stand behind this in its letter. */
const ownHeader = 'Espalier-Header-';

/** What all letters behind the first of an aggregate are parked for. */
export const followsParked = 'follows a parked one';

/** Where the letters of one aggregate go: `dlq.<consumer>.<aggregate type>.<id>`. */
export function letterSubject(consumer: string, subject: string): string {
  const aggregate = subject.split('.').slice(1, 3);
  return ['dlq', consumer, ...aggregate].join('.');
}

/** The dead letters of one consumer, parked by aggregate in the order of the log. */
export class DeadLetters {
  /** Subjects of letters: the aggregates that wait for a person. */
  private readonly parkedSubjects = new Set<string>();

  constructor(
    private readonly client: JetStreamClient,
    private readonly manager: JetStreamManager,
    private readonly consumer: string,
  ) {}

  /** Learns what is parked already. */
  async load(): Promise<void> {
    const filter = `dlq.${this.consumer}.>`;
    this.parkedSubjects.clear();
    for (const subject of await parkedSubjects(this.manager, filter)) {
      this.parkedSubjects.add(subject);
    }
  }

  isParked(subject: string): boolean {
    return this.parkedSubjects.has(letterSubject(this.consumer, subject));
  }

  /** Moves a message to the dead letters; again and again gives one letter. */
  async park(message: Delivery, stream: string, reason: unknown, attempts: number): Promise<void> {
    const about = headers();
    for (const name of message.headers?.keys() ?? []) {
      about.set(`${ownHeader}${name}`, message.headers?.get(name) ?? '');
    }
    about.set('Espalier-Stream', stream);
    about.set('Espalier-Subject', message.subject);
    about.set('Espalier-Sequence', String(message.streamSequence));
    about.set('Espalier-Attempts', String(attempts));
    about.set('Espalier-Reason', encodeURIComponent(reasonOf(reason)));
    const subject = letterSubject(this.consumer, message.subject);
    const msgID = `dlq-${this.consumer}-${message.streamSequence}`;
    await this.client.publish(subject, message.data, { headers: about, msgID });
    this.parkedSubjects.add(subject);
  }

  /**
   * Handles an aggregate's letters in their order and takes away those that succeed.
   * @returns how many
   * @throws what the handler throws; that letter and those behind it stay
   */
  async drain(subject: string, handle: (message: Delivery) => Promise<void>): Promise<number> {
    for (let count = 0; ; count++) {
      const [letter] = await readLetters(this.manager, subject, 1);
      if (!letter) {
        this.parkedSubjects.delete(subject);
        return count;
      }
      await handle(letter);
      const upTo = { filter: subject, seq: letter.letterSequence + 1 };
      await this.manager.streams.purge(deadLetterStream, upTo);
    }
  }
}

/** The subjects of all letters that match. */
export async function parkedSubjects(manager: JetStreamManager, filter: string): Promise<string[]> {
  const info = await manager.streams.info(deadLetterStream, { subjects_filter: filter });
  return Object.keys(info.state.subjects ?? {});
}

/** The first letters of one aggregate. */
export async function readLetters(
  manager: JetStreamManager,
  subject: string,
  atMost: number,
): Promise<DeadLetter[]> {
  const letters: DeadLetter[] = [];
  for (let seq = 1; letters.length < atMost; ) {
    const query = { seq, next_by_subj: subject };
    const stored = await manager.streams
      .getMessage(deadLetterStream, query)
      .catch((error: unknown) => {
        if (isMissing(error)) return null;
        throw error;
      });
    if (!stored) break;
    letters.push({
      subject: stored.header.get('Espalier-Subject'),
      headers: ownHeadersOf(stored.header),
      data: stored.data,
      streamSequence: Number(stored.header.get('Espalier-Sequence')),
      letterSequence: stored.seq,
      attempts: Number(stored.header.get('Espalier-Attempts')),
      reason: decodeURIComponent(stored.header.get('Espalier-Reason')),
      parkedAtMs: stored.time.getTime(),
    });
    seq = stored.seq + 1;
  }
  return letters;
}

function ownHeadersOf(letter: MsgHdrs): MsgHdrs {
  const own = headers();
  for (const name of letter.keys()) {
    if (name.startsWith(ownHeader)) own.set(name.slice(ownHeader.length), letter.get(name));
  }
  return own;
}

function isMissing(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === JetStreamApiCodes.NoMessageFound;
}
