import type { MessageInitShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import {
  DomainError,
  type StagedTreeSchema,
  type StagingAnswer,
  StagingAnswerSchema,
  type StagingOrder,
} from '#libs/contracts/index.js';

/** Scans a directory and brings what the control plane lacks; `onSent` hears of bytes sent. */
export type BringTree = (
  directory: string,
  order: StagingOrder,
  onSent: (bytes: number) => void,
) => Promise<MessageInitShape<typeof StagedTreeSchema>>;

interface Work {
  sentBytes: number;
  answer?: StagingAnswer;
}

const mostFinished = 16;

/**
 * The staging role: what runs ask of this host. The first time that an order comes its work begins;
 * the same order again is told how it stands, also after it is done. An order that was refused is
 * worked on anew.
 */
export class StagingRole {
  private readonly works = new Map<string, Work>();

  constructor(
    /** The directory of each site that is staged here. */
    private readonly directories: ReadonlyMap<string, string>,
    private readonly bring: BringTree,
    private readonly log: (line: string) => void,
  ) {}

  answer(order: StagingOrder): StagingAnswer {
    const directory = this.directories.get(order.site);
    if (directory === undefined) {
      return refusal({
        code: 'NotStagedHere',
        message: `it has no directory for ${order.site}`,
        remedy: `start it with ${order.site}=DIR`,
      });
    }
    const key = `${order.runId} ${order.place}`;
    const work = this.works.get(key) ?? this.begin(key, directory, order);
    if (work.answer?.answer.case === 'refused') this.works.delete(key);
    const { sentBytes } = work;
    const working = { case: 'working' as const, value: { sentBytes: BigInt(sentBytes) } };
    return work.answer ?? create(StagingAnswerSchema, { answer: working });
  }

  private begin(key: string, directory: string, order: StagingOrder): Work {
    const work: Work = { sentBytes: 0 };
    this.works.set(key, work);
    this.log(`run ${order.runId} wants ${order.site}: scanning ${directory}`);
    const onSent = (bytes: number) => {
      work.sentBytes += bytes;
    };
    void this.bring(directory, order, onSent).then(
      (value) => {
        work.answer = create(StagingAnswerSchema, { answer: { case: 'staged', value } });
        this.log(`run ${order.runId} has ${order.site}: ${work.sentBytes} bytes sent`);
        this.forgetOldest();
      },
      (error: Error) => {
        this.log(`run ${order.runId} has not got ${order.site}: ${error.message}`);
        const remedy = error instanceof DomainError ? error.remedy : '';
        work.answer = refusal({ code: error.name, message: error.message, remedy });
      },
    );
    return work;
  }

  private forgetOldest(): void {
    const finished = [...this.works].filter(([, { answer }]) => answer !== undefined);
    for (const [key] of finished.slice(0, -mostFinished)) this.works.delete(key);
  }
}

function refusal(value: { code: string; message: string; remedy: string }): StagingAnswer {
  return create(StagingAnswerSchema, { answer: { case: 'refused', value } });
}
