const windowBits = 4096n;
const wordBits = 32n;
const windowWords = windowBits / wordBits;

/** Sliding window over a sender's sequence numbers (RFC 4303, section 3.4.3): a ring of words. */
export class ReplayWindow {
  private readonly words = new Uint32Array(Number(windowWords));
  /** Number of the newest word; the ring holds it and those before it. */
  private newest = 0n;

  isFresh(sequence: bigint): boolean {
    const word = sequence / wordBits;
    if (word > this.newest) return true;
    if (word + windowWords <= this.newest) return false;
    return (((this.words[slotOf(word)] ?? 0) >>> bitOf(sequence)) & 1) === 0;
  }

  mark(sequence: bigint): void {
    const word = sequence / wordBits;
    if (word >= this.newest + windowWords) this.words.fill(0);
    else for (let next = this.newest + 1n; next <= word; next++) this.words[slotOf(next)] = 0;
    if (word > this.newest) this.newest = word;
    this.words[slotOf(word)] = (this.words[slotOf(word)] ?? 0) | (1 << bitOf(sequence));
  }
}

function slotOf(word: bigint): number {
  return Number(word % windowWords);
}

function bitOf(sequence: bigint): number {
  return Number(sequence % wordBits);
}
