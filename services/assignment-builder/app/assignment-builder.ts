import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Body, bodiesOf, measureBody } from '#libs/assignment/body.js';
import type { BodyCache } from '#libs/assignment/body-cache.js';
import { commandSetOf, posixType } from '#libs/assignment/command-sets.js';
import { newDataKey, type WrappedDataKey } from '#libs/assignment/data-key.js';
import { diskNeeded } from '#libs/assignment/disk-needed.js';
import { type EncodingPolicy, isDeltaLevel } from '#libs/assignment/encoding-policy.js';
import {
  type HeaderFields,
  type WrittenAssignment,
  writeContainer,
} from '#libs/assignment/writer.js';
import type { Clock } from '#libs/clock/clock.js';
import type { ContentStore } from '#libs/content-store/content-store.js';
import { emptyManifest, type Manifest } from '#libs/content-store/manifest.js';
import {
  bodyEncryption,
  type EventContext,
  type RecordedEvent,
  type RunTarget,
} from '#libs/contracts/index.js';
import { diffManifests } from '#libs/delta/diff.js';
import { execute, load } from '#libs/event-log/aggregate.js';
import { type EventLog, LogUnavailable, VersionConflict } from '#libs/event-log/event-log.js';
import type { ControlKeys } from '#libs/keys/key-provider.js';
import { contextOf } from '#libs/nest-jetstream/context.js';
import {
  assignmentLedger,
  isBuiltFor,
  type Phase,
  phaseState,
} from '../domain/assignment-ledger.js';
import { type BaseGroup, baseGroups, treesInLedger } from '../domain/bases.js';
import { prepareHeader, switchHeader } from '../domain/headers.js';
import { hooksFor, nodesOf, type RunStarted, runSituation } from '../domain/run.js';
import { recordBuilt } from './record-built.js';

export interface BuilderPorts {
  readonly log: EventLog;
  readonly store: ContentStore;
  readonly keys: Pick<ControlKeys, 'assignmentKeys'>;
  readonly clock: Clock;
  /** The largest body of one container; a larger job becomes parts. */
  readonly maxBodyBytes?: number;
  readonly bodies: BodyCache;
  /** A new, empty directory for one build; removed when the build is over. */
  scratchDirectory(): Promise<string>;
}

/** An assignment that waits for its number. */
interface Draft {
  readonly site: string;
  readonly runId: string;
  readonly phase: Phase;
  readonly targets: readonly RunTarget[];
  /** One, or as many parts as the job needs. */
  readonly bodies: readonly Body[];
  header(sequence: bigint, nowMs: number): HeaderFields;
  /** What AssignmentBuilt says beyond the header. */
  readonly resultManifestDigest: Uint8Array;
}

type Base = Pick<BaseGroup, 'treeDigest' | 'agentType'>;
type ChangeSet = RecordedEvent<'ChangeSetComputed'>;
type Commit = RecordedEvent<'CommitIssued'>;

const maxAttempts = 20;

/** Builds, signs, stores and records assignments. Handlers may be called again at any time. */
export class AssignmentBuilder {
  constructor(
    private readonly ports: BuilderPorts,
    private readonly policy: EncodingPolicy,
  ) {}

  /**
   * The assignments that prepare what changed, one for each base that servers have; none for a dry
   * run, when nothing changed, or without servers to repair.
   */
  async prepare(event: ChangeSet): Promise<void> {
    const { site, runId, dryRun, baseTreeDigest, resultTreeDigest } = event.data;
    if (dryRun || Buffer.compare(baseTreeDigest, resultTreeDigest) === 0) return;
    const { log } = this.ports;
    const [own, outcome, ledger] = await Promise.all([
      log.read({ type: 'run', id: runId }),
      log.read({ type: 'outcome', id: runId }),
      log.read({ type: 'assignment', id: site }),
    ]);
    const situation = runSituation([...own, ...outcome]);
    if (situation.kind === 'cancelled') return;
    if (situation.kind === 'unknown') {
      return this.fail(event, 'prepare', new Error(`the log knows no started run ${runId}`));
    }
    const { run } = situation;
    if (run.keepsLiveVersion && run.targets.length === 0) return;
    const groups = baseGroups(run, event.data, treesInLedger(ledger));
    if (groups.length === 0) {
      return this.fail(event, 'prepare', new Error('the run has no servers to go to'));
    }
    for (const group of groups) {
      await this.build(event, 'prepare', group, (directory) =>
        this.prepareDraft(event.data, run, group, directory),
      );
    }
  }

  /** The assignment that switches the prepared set. */
  async switch(event: Commit): Promise<void> {
    const { site, runId, prepared, manifestDigest } = event.data;
    await this.build(event, 'switch', undefined, async () => ({
      ...{ site, runId, phase: 'switch', targets: prepared },
      bodies: [await measureBody([])],
      header: (sequence, nowMs) => switchHeader(event.data, sequence, nowMs),
      resultManifestDigest: manifestDigest,
    }));
  }

  private async prepareDraft(
    changes: ChangeSet['data'],
    run: RunStarted,
    group: BaseGroup,
    directory: string,
  ): Promise<Draft> {
    const { site, runId, resultManifestDigest, resultTreeDigest } = changes;
    const base = await this.manifest(group.manifestDigest);
    const result = await this.manifest(hex(resultManifestDigest));
    const nodes = nodesOf(group.targets);
    const baseTreeDigest = bytes(group.treeDigest);
    const request = {
      baseManifest: group.manifestDigest,
      resultManifest: hex(resultManifestDigest),
      policy: { ...this.policyOf(run), ...commandSetOf(group.agentType) },
      hooks: hooksFor(run, group.treeDigest, hex(resultTreeDigest)),
    };
    const body = await this.ports.bodies.body(request, directory);
    const wrapped = await this.dataKeyOf(run);
    const { maxBodyBytes } = this.ports;
    const measuring = {
      ...(wrapped ? { dataKey: wrapped.dataKey } : {}),
      ...(maxBodyBytes ? { maxBodyBytes } : {}),
    };
    const diskNeededBytes = BigInt(diskNeeded(diffManifests(base, result), result));
    const { agentType } = group;
    const fields = { resultTreeDigest, baseTreeDigest, diskNeededBytes, nodes, agentType };
    return {
      ...{ site, runId, phase: 'prepare', targets: group.targets, resultManifestDigest },
      bodies: await bodiesOf(body, measuring),
      header: (sequence, nowMs) => ({
        ...prepareHeader(run, fields, sequence, nowMs),
        ...(wrapped ? { encryption: wrapped.encryption } : {}),
      }),
    };
  }

  /** A key that only the run's servers can unwrap, where the site's policy asks for one. */
  private async dataKeyOf(run: RunStarted): Promise<WrappedDataKey | undefined> {
    const encryption = run.policy?.encryption || 'none';
    if (encryption === 'none') return undefined;
    if (encryption !== bodyEncryption) throw new Error(`the encryption ${encryption} is unknown`);
    const recipients = await Promise.all(
      nodesOf(run.targets).map((node) => recipientIn(this.ports.log, node)),
    );
    return newDataKey(
      run,
      recipients.filter((recipient) => recipient !== 'removed'),
    );
  }

  /** Drafts, then numbers and records; what cannot be built is recorded as failed. */
  private async build(
    event: ChangeSet | Commit,
    phase: Phase,
    base: Base | undefined,
    drafted: (directory: string) => Promise<Draft>,
  ): Promise<void> {
    const { clock, log, scratchDirectory } = this.ports;
    const { site, runId } = event.data;
    const { state } = await load(log, assignmentLedger, site);
    const standing = phaseState(state, runId, phase);
    if (standing === 'failed') return;
    if (standing === 'built' && (!base || isBuiltFor(state, runId, base))) return;
    const startedMs = clock.nowMs();
    const directory = await scratchDirectory();
    try {
      const context = contextFor(event, base);
      await this.record(await drafted(directory), directory, startedMs, context);
    } catch (error) {
      await this.fail(event, phase, error);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  private async fail(event: ChangeSet | Commit, phase: Phase, error: unknown): Promise<void> {
    // Without the log nothing can be recorded: the event comes again.
    if (error instanceof LogUnavailable || error instanceof VersionConflict) throw error;
    const { log, clock } = this.ports;
    const { site, runId } = event.data;
    const context = contextOf(event, 'assignment-builder');
    const reason = reasonOf(error);
    const failure = { type: 'RecordFailure', site, runId, phase, reason } as const;
    await execute(log, assignmentLedger, site, failure, context, clock.nowMs());
  }

  /** Signs with the next number; again with another when somebody else took it. */
  private async record(
    draft: Draft,
    directory: string,
    startedMs: number,
    context: EventContext,
  ): Promise<void> {
    const { log, clock, store, keys } = this.ports;
    if (nodesOf(draft.targets).length === 0) throw new Error('the run has no servers to go to');
    const aggregate = { type: assignmentLedger.type, id: draft.site };
    const pathOf = (part: number) => join(directory, `container-${part}`);
    for (let attempt = 1; ; attempt++) {
      const { state, head } = await load(log, assignmentLedger, draft.site);
      const written: WrittenAssignment[] = [];
      for (const [index, body] of draft.bodies.entries()) {
        const header = draft.header(state.nextSequence + BigInt(index), clock.nowMs());
        const signers = await keys.assignmentKeys();
        written.push(await writeContainer(pathOf(index), header, body, signers));
      }
      const command = recordBuilt(draft, written, clock.nowMs() - startedMs);
      const events = assignmentLedger.decide(command, state);
      if (events.length === 0) return;
      for (const [index, { containerDigest }] of written.entries()) {
        await store.writeFile(pathOf(index), containerDigest);
      }
      try {
        await log.append(aggregate, head, events, context, clock.nowMs());
        return;
      } catch (error) {
        if (!(error instanceof VersionConflict) || attempt === maxAttempts) throw error;
      }
    }
  }

  private async manifest(digest: string): Promise<Manifest> {
    return digest === '' ? emptyManifest : this.ports.store.readManifest(digest);
  }

  private policyOf(run: RunStarted): EncodingPolicy {
    const { neverCompress = [], deltaLevel = '', configuration = [] } = run.policy ?? {};
    const { encryption, neverEncrypt = [], encryptOnly = [] } = run.policy ?? {};
    const isSealedInPart =
      encryption === bodyEncryption && neverEncrypt.length + encryptOnly.length > 0;
    return {
      ...this.policy,
      ...(isSealedInPart ? { sealing: { neverEncrypt, encryptOnly } } : {}),
      ...(neverCompress.length > 0 ? { neverCompress } : {}),
      ...(isDeltaLevel(deltaLevel) ? { level: deltaLevel } : {}),
      ...(configuration.length > 0 ? { configuration } : {}),
    };
  }
}

/** Whom content is encrypted for; a server that has left for good gets no key any more. */
async function recipientIn(log: EventLog, node: string) {
  for (const { type, data } of (await log.read({ type: 'node', id: node })).reverse()) {
    if (type === 'NodeRemoved') return 'removed' as const;
    if (type === 'NodeEnrolled') return { node, publicKey: data.publicKey };
  }
  throw new Error(`nothing can be encrypted for ${node}: it is not enrolled`);
}

/** One event makes several assignments: each is an append of its own. */
function contextFor(event: ChangeSet | Commit, base: Base | undefined): EventContext {
  const context = contextOf(event, 'assignment-builder');
  if (!base) return context;
  const type = base.agentType === posixType ? '' : `/${base.agentType}`;
  return { ...context, causationId: `${context.causationId}/${base.treeDigest}${type}` };
}

function bytes(digest: string): Uint8Array {
  return new Uint8Array(Buffer.from(digest, 'hex'));
}

function hex(digest: Uint8Array): string {
  return Buffer.from(digest).toString('hex');
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
