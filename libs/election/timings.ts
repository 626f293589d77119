/** All durations of election, registration and reporting, in milliseconds. */
export interface SegmentTimings {
  readonly election: ElectionTimings;
  readonly registration: RegistrationTimings;
  readonly reports: ReportTimings;
}

export interface ElectionTimings {
  /** A leader says that it is alive this often. */
  readonly leaderAlivePeriodMs: number;
  /** A leader not heard for so long is lost: five periods, so that 10 % loss does no harm. */
  readonly silenceLimitMs: number;
  /** At random up to this much later, so that members do not all claim in one instant. */
  readonly silenceJitterMs: number;
  /** Shortest wait before a claim. */
  readonly initialClaimDelayMs: number;
  /** The same for a leader just deposed, and in a vote that was contested. */
  readonly deposedClaimDelayMs: number;
  /** A deposed leader has this advantage for so long. */
  readonly deposedForMs: number;
  /** The weakest candidate waits this much longer than the strongest. */
  readonly prioritySpreadMs: number;
  readonly claimJitterMs: number;
  /** A claim that is not contested for so long wins. At least the longest claim delay. */
  readonly votingWindowMs: number;
  /** A candidate that conceded tries again when no leader was heard for so long. */
  readonly concessionLimitMs: number;
  /** A leader answers any number of weaker claims with one Leader Alive per gap. */
  readonly refutationGapMs: number;
}

export interface RegistrationTimings {
  /** Members register at random within this time of hearing of a leader. */
  readonly registerSpreadMs: number;
  /** Wait before registering again: this plus up to `repeatJitterMs`. */
  readonly repeatDelayMs: number;
  readonly repeatJitterMs: number;
  /** A member registers this often to show that it lives. */
  readonly heartbeatMs: number;
  /** A member not heard for so long is gone. */
  readonly expiryMs: number;
  /** The leader reports when no registration came for so long; at the latest after 4 times it. */
  readonly quietMs: number;
  /** The leader reports at least this often. */
  readonly reportPeriodMs: number;
}

export interface ReportTimings {
  /** A member of a large group reports within this time per member, at random. */
  readonly delayPerMemberMs: number;
  /** Groups up to this size report at once. */
  readonly smallGroup: number;
  /** A member answers requests for a report this long. */
  readonly keepMs: number;
  /** The leader asks for missing reports this often. */
  readonly requestIntervalMs: number;
  /** How often it asks before it gives a report up. */
  readonly requestLimit: number;
  /** Share of the participants above which one broadcast replaces the single requests. */
  readonly broadcastAboveShare: number;
}

/** For production: the figures of the patent's illustrative embodiment. */
export const standardTimings: SegmentTimings = {
  election: {
    leaderAlivePeriodMs: 1_000,
    silenceLimitMs: 5_000,
    silenceJitterMs: 1_000,
    initialClaimDelayMs: 10_000,
    deposedClaimDelayMs: 5_000,
    deposedForMs: 60_000,
    prioritySpreadMs: 3_000,
    claimJitterMs: 2_000,
    votingWindowMs: 15_000,
    concessionLimitMs: 40_000,
    refutationGapMs: 200,
  },
  registration: {
    registerSpreadMs: 1_000,
    repeatDelayMs: 1_000,
    repeatJitterMs: 1_000,
    heartbeatMs: 10_000,
    expiryMs: 35_000,
    quietMs: 3_000,
    reportPeriodMs: 30_000,
  },
  reports: {
    delayPerMemberMs: 20,
    smallGroup: 8,
    keepMs: 600_000,
    requestIntervalMs: 3_000,
    requestLimit: 10,
    broadcastAboveShare: 0.5,
  },
};

/** For demos and tests: a new segment has a leader and its members in about a second. */
export const fastTimings: SegmentTimings = {
  election: {
    leaderAlivePeriodMs: 1_000,
    silenceLimitMs: 5_000,
    silenceJitterMs: 250,
    initialClaimDelayMs: 150,
    deposedClaimDelayMs: 100,
    deposedForMs: 10_000,
    prioritySpreadMs: 150,
    claimJitterMs: 100,
    votingWindowMs: 400,
    concessionLimitMs: 2_500,
    refutationGapMs: 50,
  },
  registration: {
    registerSpreadMs: 40,
    repeatDelayMs: 100,
    repeatJitterMs: 100,
    heartbeatMs: 3_000,
    expiryMs: 10_000,
    quietMs: 100,
    reportPeriodMs: 10_000,
  },
  reports: {
    delayPerMemberMs: 5,
    smallGroup: 8,
    keepMs: 600_000,
    requestIntervalMs: 500,
    requestLimit: 10,
    broadcastAboveShare: 0.5,
  },
};
