import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Clock, sleep } from '#libs/clock/clock.js';
import {
  type LinkAnswer,
  LinkAnswerSchema,
  LinkPolledSchema,
  LinkPollSchema,
  type LinkRequest,
  LinkRequestKind,
  StagingAnswerSchema,
  StagingLookSchema,
  StagingOrderSchema,
  StagingSeenSchema,
} from '#libs/contracts/index.js';
import { watchFingerprint } from '#libs/delta/adapters/watch-fingerprint.js';
import { readAll } from '#libs/fleet-http/adapters/peer-http.js';
import { StagingRole } from '../app/staging-role.js';
import { StagingSight, type WatchTree } from '../app/staging-sight.js';
import { bringTreeTo, type StagingAccess } from './bring-tree.js';
import { firstRetryMs, longPoll, requestTimeoutMs } from './long-poll.js';

export interface StagingServerOptions extends StagingAccess {
  /** The directory of each site that is staged here. */
  readonly directories: ReadonlyMap<string, string>;
  readonly clock: Clock;
  readonly log: (line: string) => void;
}

const longestAnswerBytes = 8 * 1024 * 1024;

/** Waits at the gateway for what runs ask of this host, until it is closed. */
export class StagingServer {
  private readonly stop = new AbortController();
  private readonly role: StagingRole;
  private readonly sight: StagingSight;

  constructor(private readonly options: StagingServerOptions) {
    const { directories, log, clock } = options;
    this.role = new StagingRole(directories, bringTreeTo(options), log);
    const watch: WatchTree = (...args) => watchFingerprint(...args, clock);
    this.sight = new StagingSight(directories, watch, clock, log);
    void this.listen();
  }

  close(): void {
    this.stop.abort();
    this.sight.close();
  }

  private listen(): Promise<void> {
    const { clock, server, controlUrl, log } = this.options;
    return longPoll({
      isUp: undefined,
      clock,
      signal: this.stop.signal,
      poll: (answers, waitMs) => this.pollAlone(answers, waitMs),
      answerTo: (request) => this.answerTo(request),
      up: () => log(`staging server ${server} waits for runs at ${controlUrl}`),
      down: log,
    });
  }

  /** Two servers of one name would cut each other's polls short without a pause. */
  private async pollAlone(answers: LinkAnswer[], waitMs: number): Promise<readonly LinkRequest[]> {
    const { clock, server, log } = this.options;
    const startedMs = clock.nowMs();
    const requests = await this.poll(answers, waitMs);
    const isCutShort = requests.length === 0 && clock.nowMs() - startedMs < waitMs / 2;
    if (isCutShort) {
      log(`a poll was cut short: another staging server may call itself ${server}`);
      await sleep(clock, firstRetryMs);
    }
    return requests;
  }

  private async poll(answers: LinkAnswer[], waitMs: number): Promise<readonly LinkRequest[]> {
    const { server, controlUrl, token, http } = this.options;
    const response = await http.request(`${controlUrl}/api/v1/staging/${server}/poll`, {
      method: 'POST',
      headers: { 'content-type': 'application/protobuf', authorization: `Bearer ${token}` },
      body: toBinary(LinkPollSchema, create(LinkPollSchema, { answers, waitMs })),
      signal: AbortSignal.any([this.stop.signal, AbortSignal.timeout(waitMs + requestTimeoutMs)]),
      expect: 'control-plane',
    });
    const reply = await readAll(response, longestAnswerBytes);
    if (response.status < 300) return fromBinary(LinkPolledSchema, reply).requests;
    throw new Error(`${controlUrl} answers ${response.status}: ${reply.toString().slice(0, 500)}`);
  }

  private answerTo({ id, kind, payload }: LinkRequest): LinkAnswer | undefined {
    const answered = (answer: Uint8Array) => create(LinkAnswerSchema, { id, payload: answer });
    if (kind === LinkRequestKind.STAGING_ORDER) {
      const answer = this.role.answer(fromBinary(StagingOrderSchema, payload));
      return answered(toBinary(StagingAnswerSchema, answer));
    }
    if (kind !== LinkRequestKind.STAGING_LOOK) return undefined;
    const seen = this.sight.look(fromBinary(StagingLookSchema, payload));
    return answered(toBinary(StagingSeenSchema, seen));
  }
}
