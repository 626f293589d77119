import type { Cancel, Clock } from '#libs/clock/clock.js';
import { type Logger, reasonOf } from '#libs/telemetry/logger.js';

/** What a watch asks of the log and its second copy. */
export interface VerifiableLog {
  /** Compares everything. */
  verify(): Promise<{ sound: boolean; firstBadSequence: bigint; problem: string }>;
  /** A quick look at the end; undefined when nothing is wrong there. */
  problemAtHead(): Promise<string | undefined>;
}

const verifySoonMs = 10_000;
const verifyEveryMs = 24 * 60 * 60_000;
const lookAgainMs = 2_000;

/**
 * Watches for damage of the log: looks at its end whenever a server may have started again, and
 * at all of it once a day. What it finds it goes on telling until the log is found sound.
 */
export class LogWatch {
  private found: string | undefined;
  private cancelVerification: Cancel = () => undefined;
  private cancelLook: Cancel = () => undefined;
  private isClosed = false;

  constructor(
    private readonly log: VerifiableLog,
    /** Whether it is this replica that verifies everything. */
    private readonly isMine: () => boolean,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.lookAtHead();
  }

  /** What is wrong with the log, as far as it is known. */
  problem(): string | undefined {
    return this.found;
  }

  /** A server started again, or the connection to it is another. */
  lookAtHead(): void {
    this.cancelLook();
    this.cancelVerification();
    if (this.isClosed) return;
    void this.look();
  }

  /** What somebody who verified everything found. */
  tell({ sound, firstBadSequence, problem }: Awaited<ReturnType<VerifiableLog['verify']>>): void {
    const found = sound ? undefined : `the log is damaged at event ${firstBadSequence}: ${problem}`;
    if (found && found !== this.found) this.logger.error(found, { remedy });
    this.found = found;
  }

  close(): void {
    this.isClosed = true;
    this.cancelLook();
    this.cancelVerification();
  }

  private async look(): Promise<void> {
    try {
      const found = await this.log.problemAtHead();
      if (found) this.logger.error(found, { remedy });
      this.found ??= found;
      this.planVerification(verifySoonMs);
    } catch (error) {
      this.logger.debug('the end of the log was not looked at', { reason: reasonOf(error) });
      if (this.isClosed) return;
      this.cancelLook = this.clock.schedule(lookAgainMs, () => void this.look());
    }
  }

  /** Found twice: events that are being archived may be missed once. */
  private async verdict() {
    const verdict = await this.log.verify();
    return verdict.sound ? verdict : this.log.verify();
  }

  private planVerification(delayMs: number): void {
    if (this.isClosed) return;
    this.cancelVerification = this.clock.schedule(delayMs, () => void this.verify());
  }

  private async verify(): Promise<void> {
    try {
      if (this.isMine()) this.tell(await this.verdict());
      this.planVerification(verifyEveryMs);
    } catch (error) {
      this.logger.debug('the log was not verified', { reason: reasonOf(error) });
      this.planVerification(verifySoonMs);
    }
  }
}

const remedy = 'stop publishing; restore the stream from a backup or from its other servers';
