/** Worth a call of the system. */
export const stretchBytes = 1024;

/** Passes over what is equal: for long stretches the system compares faster than a loop. */
export class EqualStretch {
  private readonly a: Buffer;
  private readonly b: Buffer;

  constructor(a: Uint8Array, b: Uint8Array) {
    this.a = Buffer.from(a.buffer, a.byteOffset, a.length);
    this.b = Buffer.from(b.buffer, b.byteOffset, b.length);
  }

  /** Equal bytes from these places on, in whole stretches. */
  length(aAt: number, bAt: number, aEnd: number): number {
    const { a, b } = this;
    let length = 0;
    for (; aAt + length + stretchBytes <= aEnd; length += stretchBytes) {
      const [from, to] = [aAt + length, bAt + length];
      if (to + stretchBytes > b.length) break;
      if (a.compare(b, to, to + stretchBytes, from, from + stretchBytes) !== 0) break;
    }
    return length;
  }
}
