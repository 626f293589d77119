import { hkdfSync } from 'node:crypto';
import type { SegmentKey } from '#libs/keys/key-provider.js';
import { aesCtr } from '#libs/native/aes-ctr.js';

const wordBytes = 16;

/**
 * Hides the bytes of one container on the network: AES-256 in counter mode by their place in the
 * container, so a piece of any size is hidden, repeated and revealed by itself. The key depends on
 * the digest of the container: no key hides two different bytes in one place. That nobody changes
 * what is hidden is for the frames' tags and the blocks' digests to see to.
 */
export class ContentCipher {
  private readonly key: Buffer;
  private readonly counter = Buffer.alloc(wordBytes);
  private readonly cipher = aesCtr();

  constructor({ key, epoch }: SegmentKey, containerDigest: Uint8Array) {
    const use = `espalier content ${epoch}`;
    this.key = Buffer.from(hkdfSync('sha256', key, containerDigest, use, 32));
  }

  /**
   * Hides what is plain, and the other way round.
   * @param offset of the bytes in the container
   * @param target may be `bytes`; without: new memory
   */
  apply(
    offset: number,
    bytes: Uint8Array,
    target: Uint8Array = Buffer.allocUnsafe(bytes.length),
  ): Uint8Array {
    this.counter.writeBigUInt64BE(BigInt(Math.floor(offset / wordBytes)), 8);
    this.cipher(this.key, this.counter, offset % wordBytes, bytes, target);
    return target;
  }
}
