import { Worker } from 'node:worker_threads';
import type { Sketch } from '../sketch.js';

/** Another thread, which reads files for their sketches, in the order of requests. */
export class SketchThread {
  private readonly worker = new Worker(new URL('./sketch-worker.js', import.meta.url));
  private readonly waiting: Request[] = [];

  constructor() {
    this.worker.on('message', (sketch: Sketch | undefined) => {
      this.waiting.shift()?.resolve(sketch);
    });
    this.worker.on('error', (error) => {
      for (const { reject } of this.waiting.splice(0)) reject(error);
    });
  }

  /** Nothing for a file that cannot be read. */
  sketch(path: string): Promise<Sketch | undefined> {
    this.worker.postMessage(path);
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  async close(): Promise<void> {
    await this.worker.terminate();
    for (const { reject } of this.waiting.splice(0)) reject(new Error('the thread was ended'));
  }
}

interface Request {
  resolve(sketch: Sketch | undefined): void;
  reject(error: unknown): void;
}
