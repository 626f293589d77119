const remembered = 2000;

interface Known {
  readonly sequence: number;
  readonly causes: Set<string>;
}

/**
 * What caused the events of the aggregates read last, so that an append which follows a read can
 * tell a repetition without reading again.
 */
export class RecentCauses {
  private readonly bySubject = new Map<string, Known>();

  /** True or false when the aggregate is known as of that sequence, undefined when it is not. */
  has(subject: string, sequence: number, causationId: string): boolean | undefined {
    const known = this.bySubject.get(subject);
    return known?.sequence === sequence ? known.causes.has(causationId) : undefined;
  }

  /** Adds what came after the sequence up to which an aggregate is known. */
  extend(subject: string, after: number, sequence: number, causes: Iterable<string>): void {
    const known = this.bySubject.get(subject);
    if (known?.sequence !== after) return;
    for (const cause of causes) known.causes.add(cause);
    this.keep(subject, { sequence, causes: known.causes });
  }

  set(subject: string, sequence: number, causes: Iterable<string>): void {
    this.keep(subject, { sequence, causes: new Set(causes) });
  }

  private keep(subject: string, known: Known): void {
    this.bySubject.delete(subject);
    this.bySubject.set(subject, known);
    if (this.bySubject.size <= remembered) return;
    for (const oldest of this.bySubject.keys()) {
      this.bySubject.delete(oldest);
      return;
    }
  }
}
