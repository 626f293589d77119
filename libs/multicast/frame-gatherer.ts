import { type DataFrames, dataField, sessionBytes } from './data-frame.js';
import { taggedField, taggedHeaderBytes } from './tagged-frame.js';

const headerAt = taggedField.dataHeader;
const numberAt = headerAt + dataField.number;
const passAt = headerAt + dataField.pass;
const repairAt = headerAt + dataField.repair;

/**
 * Joins the contents of sound frames that follow each other, in place: each content moves down over
 * the headers before it. What follows from frame to frame is handed on once and not 44 times.
 */
export class FrameGatherer {
  private take: (frames: DataFrames) => void = () => undefined;
  private start = 0;
  private end = 0;
  private count = 0;
  private number = 0;
  private pass = 0;
  private repair = 0;
  private frameBytes = 0;
  private sessionHead = -1;
  private sessionTail = -1;
  private session = '';

  constructor(
    private readonly memory: Buffer,
    private readonly view: DataView,
  ) {}

  /** @param at where contents may move to: no frame that is added lies before it */
  begin(at: number, take: (frames: DataFrames) => void): void {
    this.take = take;
    this.start = at;
    this.end = at;
    this.count = 0;
  }

  /** The frame at `at`, header included. */
  add(at: number, length: number): void {
    if (this.count > 0 && !this.follows(at)) this.flush();
    if (this.count === 0) this.open(at);
    this.memory.copyWithin(this.end, at + taggedHeaderBytes, at + length);
    this.end += length - taggedHeaderBytes;
    this.frameBytes = length - taggedHeaderBytes;
    this.count++;
  }

  /** Hands over what has been gathered. */
  flush(): void {
    const { session, number, count, pass, repair, start, end } = this;
    if (count === 0) return;
    this.start = end;
    this.count = 0;
    const content = this.memory.subarray(start, end);
    this.take({ session, number, count, pass, repair, content });
  }

  private open(at: number): void {
    this.number = this.view.getUint32(at + numberAt);
    this.pass = this.view.getUint16(at + passAt);
    this.repair = this.view.getUint16(at + repairAt);
    if (this.isSession(at)) return;
    this.sessionHead = this.view.getUint32(at + headerAt);
    this.sessionTail = this.view.getUint16(at + headerAt + 4);
    this.session = this.memory.toString('hex', at + headerAt, at + headerAt + sessionBytes);
  }

  /** Whether the frame goes on where the last one ended; a shorter one ended its container. */
  private follows(at: number): boolean {
    return (
      this.repair === 0 &&
      this.view.getUint32(at + numberAt) === this.number + this.count &&
      this.view.getUint32(at + passAt) === this.pass * 65_536 &&
      this.end === this.start + this.count * this.frameBytes &&
      this.isSession(at)
    );
  }

  private isSession(at: number): boolean {
    return (
      this.view.getUint32(at + headerAt) === this.sessionHead &&
      this.view.getUint16(at + headerAt + 4) === this.sessionTail
    );
  }
}
