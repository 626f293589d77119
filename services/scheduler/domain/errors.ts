import { DomainError } from '#libs/contracts/index.js';

/** A name that is not 1 to 63 lower-case letters, digits and hyphens. */
export class InvalidName extends DomainError {
  override readonly name = 'InvalidName';
  constructor(what: string, name: string) {
    super(
      `${JSON.stringify(name)} is not a ${what} name`,
      'use 1 to 63 lower-case letters, digits and hyphens, beginning with a letter or digit',
    );
  }
}

export class InvalidStaging extends DomainError {
  override readonly name = 'InvalidStaging';
  constructor(staging: string) {
    super(
      `the staging directory ${JSON.stringify(staging)} is not an absolute path`,
      'give the full path of the directory on the control-plane host, e.g. /srv/staging/www; ' +
        'or name staging servers (--staging-server NAME or NAME=PLACE)',
    );
  }
}

/** An encryption that nobody knows, or file types that contradict it. */
export class InvalidEncryption extends DomainError {
  override readonly name = 'InvalidEncryption';
  constructor(reason: string) {
    super(
      reason,
      'use --encrypt, and beside it --never-encrypt or --encrypt-only with extensions: .jpg .mp4',
    );
  }
}

export class SiteExists extends DomainError {
  override readonly name = 'SiteExists';
  constructor(site: string, staging: string) {
    super(
      `site ${site} exists already with other settings (staging directory ${staging})`,
      'choose another name, or repeat the command with the settings the site has',
    );
  }
}

export class UnknownSite extends DomainError {
  override readonly name = 'UnknownSite';
  constructor(site: string) {
    super(
      `there is no site ${JSON.stringify(site)}`,
      'create it first (espalier site create NAME --staging DIRECTORY)',
    );
  }
}

/** A value that could be set in no file, or that no file has. */
export class InvalidConfiguration extends DomainError {
  override readonly name = 'InvalidConfiguration';
  constructor(site: string, place: string, problem: string) {
    super(
      `configuration of ${site}: ${place} ${problem}`,
      'see espalier config list SITE; a key is NAME.NAME, in INI SECTION.NAME, in env NAME',
    );
  }
}

export class GroupExists extends DomainError {
  override readonly name = 'GroupExists';
  constructor(group: string, site: string) {
    super(
      `group ${group} exists already for site ${site} or with other members`,
      'edit the group, or choose another name',
    );
  }
}

export class UnknownGroup extends DomainError {
  override readonly name = 'UnknownGroup';
  constructor(group: string) {
    super(`there is no group ${JSON.stringify(group)}`, 'create it first, or correct its name');
  }
}

export class InvalidMembership extends DomainError {
  override readonly name = 'InvalidMembership';
  constructor(group: string) {
    super(
      `group ${group} says of no server that it is in it`,
      'give "all", node names or a selector',
    );
  }
}

export class InvalidSelector extends DomainError {
  override readonly name = 'InvalidSelector';
  constructor(selector: string, reason: string) {
    super(
      `the selector ${JSON.stringify(selector)} is wrong: ${reason}`,
      'join by commas: key=value, key!=value, key in (a,b), key notin (a,b), key, !key',
    );
  }
}

export class UnsupportedJobType extends DomainError {
  override readonly name = 'UnsupportedJobType';
  constructor(type: string) {
    super(
      `a run of the type ${type} cannot be requested`,
      'espalier --help names the jobs there are',
    );
  }
}

export class InvalidRunId extends DomainError {
  override readonly name = 'InvalidRunId';
  constructor(runId: string) {
    super(`${JSON.stringify(runId)} is no run id`, 'give every run a new UUID, version 7');
  }
}

export class RunExists extends DomainError {
  override readonly name = 'RunExists';
  constructor(runId: string) {
    super(`run ${runId} exists already with other parameters`, 'give every run a new id');
  }
}

export class RunConflict extends DomainError {
  override readonly name = 'RunConflict';
  constructor(
    site: string,
    readonly openRunId: string,
  ) {
    super(
      `run ${openRunId} of site ${site} is not over yet`,
      `wait until run ${openRunId} ends, or queue behind it (--on-conflict queue)`,
    );
  }
}

export class NoTargets extends DomainError {
  override readonly name = 'NoTargets';
  constructor(site: string) {
    super(
      `no group of site ${site} selects a registered server`,
      'create a group for the site, start the agents, and see espalier get nodes',
    );
  }
}

export class IncompleteJob extends DomainError {
  override readonly name = 'IncompleteJob';
}

export class HotLimitReached extends DomainError {
  override readonly name = 'HotLimitReached';
  constructor(site: string, servers: number, limit: number) {
    super(
      `${servers} servers would have hot content of ${site}, its limit is ${limit}`,
      `ask for fewer, or free some: espalier remove ${site} --all --node NAME`,
    );
  }
}

export class NothingLive extends DomainError {
  override readonly name = 'NothingLive';
  constructor(site: string) {
    super(`nothing is live on ${site} yet`, `publish it first (espalier publish ${site})`);
  }
}

/** A version or checkpoint that the site has not. */
export class UnknownTarget extends DomainError {
  override readonly name = 'UnknownTarget';
  constructor(site: string, what: string) {
    super(`${site} has no ${what}`, `espalier history ${site} shows versions and checkpoints`);
  }
}

/** A cron expression, a time zone, a window or a time that is none. */
export class InvalidSchedule extends DomainError {
  override readonly name = 'InvalidSchedule';
  constructor(what: string) {
    super(
      `the schedule is wrong: ${what}`,
      'cron is "minute hour day month weekday", e.g. "0 3 * * 1-5"; a zone is e.g. Europe/Paris',
    );
  }
}

export class UnknownRun extends DomainError {
  override readonly name = 'UnknownRun';
  constructor(runId: string) {
    super(`there is no run ${runId}`, 'espalier get runs lists them');
  }
}

/** A run that waits no more. */
export class CannotCancel extends DomainError {
  override readonly name = 'CannotCancel';
  constructor(runId: string, situation: string) {
    super(`run ${runId} is ${situation}`, `espalier describe run ${runId} tells how it stands`);
  }
}

export class InvalidRollout extends DomainError {
  override readonly name = 'InvalidRollout';
  constructor(what: string) {
    super(`the rollout is wrong: ${what}`, 'give waves by percent, count, segment or selector');
  }
}

export class NoRollout extends DomainError {
  override readonly name = 'NoRollout';
  constructor(runId: string) {
    super(`run ${runId} is no rollout under way`, 'espalier get runs lists them');
  }
}

export class UnknownJob extends DomainError {
  override readonly name = 'UnknownJob';
  constructor(job: string) {
    super(`there is no job ${JSON.stringify(job)}`, 'espalier get jobs lists them');
  }
}

export class JobExists extends DomainError {
  override readonly name = 'JobExists';
  constructor(job: string) {
    super(`job ${job} exists already and is another one`, 'edit it, or choose another name');
  }
}

export class JobIsPaused extends DomainError {
  override readonly name = 'JobIsPaused';
  constructor(job: string) {
    super(`job ${job} is paused`, `espalier job resume ${job} lets it run again`);
  }
}

/** A job that in the end would start itself. */
export class CyclicTriggers extends DomainError {
  override readonly name = 'CyclicTriggers';
  constructor(path: readonly string[]) {
    super(`the jobs would start each other for ever: ${path.join(' after ')}`, 'break the cycle');
  }
}

/** Part of a job that can mean nothing. */
export class InvalidTrigger extends DomainError {
  override readonly name = 'InvalidTrigger';
  constructor(job: string, reason: string) {
    super(`job ${job} is wrong: ${reason}`, 'espalier job create --help shows what a job has');
  }
}
