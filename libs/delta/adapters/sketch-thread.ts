import type { Sketch } from '../sketch.js';
import { OrderedWorker } from './ordered-worker.js';

/** Another thread, which reads files for their sketches, in the order of requests. */
export class SketchThread {
  private readonly worker = new OrderedWorker<string, Sketch | undefined>(
    new URL('./sketch-worker.js', import.meta.url),
  );

  /** Nothing for a file that cannot be read. */
  sketch(path: string): Promise<Sketch | undefined> {
    return this.worker.ask(path);
  }

  close(): Promise<void> {
    return this.worker.close();
  }
}
