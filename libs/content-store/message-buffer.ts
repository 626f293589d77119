import { WireType } from '@bufbuild/protobuf/wire';

const firstBytes = 64 * 1024;
const longestVarint = 10;

/**
 * A protobuf message that is being written (protobuf.dev/programming-guides/encoding), in one
 * growing piece of memory. Numbers are doubles: BigInts are what makes the generic writer slow.
 */
export class MessageBuffer {
  private bytes = Buffer.allocUnsafe(firstBytes);
  private length = 0;

  /** A message in this one; `write` writes its fields. */
  message(field: number, write: () => void): void {
    this.tag(field, WireType.LengthDelimited);
    this.makeRoom(longestVarint);
    const start = this.length + 1;
    this.length = start;
    write();
    const sizeBytes = this.length - start;
    // Most are short, and one byte was left for the size; longer ones make room.
    const sizeOfSize = varintBytes(sizeBytes);
    this.makeRoom(longestVarint);
    if (sizeOfSize > 1) this.bytes.copyWithin(start + sizeOfSize - 1, start, this.length);
    this.length = start - 1;
    this.varint(sizeBytes);
    this.length += sizeBytes;
  }

  text(field: number, text: string, encoding: 'utf8' | 'hex'): void {
    const sizeBytes = Buffer.byteLength(text, encoding);
    this.tag(field, WireType.LengthDelimited);
    this.makeRoom(longestVarint + sizeBytes);
    this.varint(sizeBytes);
    this.length += this.bytes.write(text, this.length, encoding);
  }

  /** An integer; a negative one as int64 has it. */
  number(field: number, value: number): void {
    this.tag(field, WireType.Varint);
    this.makeRoom(longestVarint);
    if (value >= 0) this.varint(value);
    else this.negative(value);
  }

  finish(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  private tag(field: number, type: WireType): void {
    this.makeRoom(longestVarint);
    this.varint(field * 8 + type);
  }

  private varint(value: number): void {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) {
      this.bytes[this.length++] = (rest % 128) + 128;
    }
    this.bytes[this.length++] = rest;
  }

  private negative(value: number): void {
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest >= 128n; rest >>= 7n) this.bytes[this.length++] = Number(rest & 127n) + 128;
    this.bytes[this.length++] = Number(rest);
  }

  private makeRoom(moreBytes: number): void {
    if (this.length + moreBytes <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(2 * this.bytes.length + moreBytes);
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }
}

function varintBytes(value: number): number {
  let count = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) count++;
  return count;
}
