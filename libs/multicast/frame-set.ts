/** A run of frame sequences. */
export interface FrameRun {
  readonly first: number;
  readonly count: number;
}

/**
 * A set of frame sequences, one bit each. It changes in place: a state that holds one is stepped
 * from its newest value only. A copy per frame would cost more than the frame.
 */
export class FrameSet {
  private readonly words: Uint32Array;
  private held = 0;

  constructor(readonly frameCount: number) {
    this.words = new Uint32Array(Math.ceil(frameCount / 32));
  }

  static full(frameCount: number): FrameSet {
    const set = new FrameSet(frameCount);
    set.addRun({ first: 0, count: frameCount });
    return set;
  }

  get size(): number {
    return this.held;
  }

  has(sequence: number): boolean {
    return (((this.words[sequence >>> 5] ?? 0) >>> (sequence & 31)) & 1) === 1;
  }

  /** @returns whether it was not there before; what is out of bounds never is added */
  add(sequence: number): boolean {
    if (sequence < 0 || sequence >= this.frameCount || this.has(sequence)) return false;
    this.words[sequence >>> 5] = (this.words[sequence >>> 5] ?? 0) | (1 << (sequence & 31));
    this.held++;
    return true;
  }

  /** @returns whether it was there */
  remove(sequence: number): boolean {
    if (!this.has(sequence)) return false;
    this.words[sequence >>> 5] = (this.words[sequence >>> 5] ?? 0) & ~(1 << (sequence & 31));
    this.held--;
    return true;
  }

  addRun({ first, count }: FrameRun): void {
    const end = Math.min(this.frameCount, first + count);
    for (let sequence = first; sequence < end; sequence++) this.add(sequence);
  }

  /** How many of a run are not members. */
  countMissing({ first, count }: FrameRun): number {
    let missing = 0;
    const end = Math.min(this.frameCount, first + count);
    for (let sequence = first; sequence < end; ) {
      const isFullWord = (sequence & 31) === 0 && this.words[sequence >>> 5] === 0xffffffff;
      if (!isFullWord && !this.has(sequence)) missing++;
      sequence += isFullWord ? 32 : 1;
    }
    return missing;
  }

  /** The first members at or after `from` that follow each other, at most `limit` of them. */
  nextRun(from: number, limit = this.frameCount): FrameRun | undefined {
    return this.run(from, this.frameCount, limit, true);
  }

  /** The runs of sequences from `from` and before `until` that are not members. */
  gaps(maxRuns: number, from = 0, until = this.frameCount): FrameRun[] {
    const gaps: FrameRun[] = [];
    let next = from;
    while (gaps.length < maxRuns) {
      const gap = this.run(next, until, this.frameCount, false);
      if (!gap) break;
      gaps.push(gap);
      next = gap.first + gap.count;
    }
    return gaps;
  }

  private run(from: number, until: number, limit: number, member: boolean): FrameRun | undefined {
    const first = this.find(from, until, member);
    if (first >= until) return undefined;
    const end = this.find(first, Math.min(until, first + limit), !member);
    return { first, count: end - first };
  }

  /** The first sequence at or after `from` that is (not) a member; `until` when there is none. */
  private find(from: number, until: number, member: boolean): number {
    const uninteresting = member ? 0 : 0xffffffff;
    let sequence = from;
    while (sequence < until) {
      if ((sequence & 31) === 0 && this.words[sequence >>> 5] === uninteresting) sequence += 32;
      else if (this.has(sequence) === member) return sequence;
      else sequence++;
    }
    return until;
  }
}
