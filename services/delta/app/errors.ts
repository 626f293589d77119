import { DomainError } from '#libs/contracts/index.js';

/** Thrown while the shadow is not where an earlier run's commit moves it: try again later. */
export class ShadowBehindCommit extends Error {
  override readonly name = 'ShadowBehindCommit';
  constructor(site: string, shadowSequence: number, committedSequence: number) {
    super(`the shadow of ${site} is at ${shadowSequence}; ${committedSequence} is committed`);
  }
}

export class ShadowContentMissing extends DomainError {
  override readonly name = 'ShadowContentMissing';
  constructor(site: string, cause: unknown) {
    super(
      `the content store has lost the manifest of what is live on ${site}`,
      'restore the content store from its backup',
      { cause },
    );
  }
}

export class ContentNotStored extends DomainError {
  override readonly name = 'ContentNotStored';
  constructor(site: string, cause: NodeJS.ErrnoException) {
    super(
      `the content of ${site} cannot be stored (${cause.code ?? cause.message})`,
      'make room in the data directory and see that Espalier may write there, then publish again',
      { cause },
    );
  }
}

export class NothingIsLive extends DomainError {
  override readonly name = 'NothingIsLive';
  constructor(site: string) {
    super(`nothing is live on ${site}`, `publish it first (espalier publish ${site})`);
  }
}

export class SiteChangedMeanwhile extends DomainError {
  override readonly name = 'SiteChangedMeanwhile';
  constructor(site: string) {
    super(`another version of ${site} went live meanwhile`, 'ask for the run again');
  }
}

export class HotTooLarge extends DomainError {
  override readonly name = 'HotTooLarge';
  constructor(site: string, bytes: number, limit: number) {
    super(
      `hot content of ${site} would be ${bytes} bytes, its limit is ${limit}`,
      'ask for fewer files',
    );
  }
}

export class ConfigurationRefused extends DomainError {
  override readonly name = 'ConfigurationRefused';
  constructor(site: string, path: string, problem: string, options?: ErrorOptions) {
    super(
      `no value can be set in ${JSON.stringify(path)} of ${site}: ${problem}`,
      `correct the file in staging, or take the value back: espalier config unset ${site} FILE KEY`,
      options,
    );
  }
}

export class UnsupportedRun extends DomainError {
  override readonly name = 'UnsupportedRun';
  constructor(type: string) {
    super(`a run of the type ${type} has no wanted tree`, 'use servers of one version');
  }
}
