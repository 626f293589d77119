import { type Transferable, Worker } from 'node:worker_threads';

/** A thread that answers requests in their order. */
export class OrderedWorker<Request, Response> {
  private readonly worker: Worker;
  private readonly waiting: Waiting<Response>[] = [];
  private ended: unknown;

  constructor(script: URL) {
    this.worker = new Worker(script);
    this.worker.on('message', (response: Response) => this.waiting.shift()?.resolve(response));
    this.worker.on('error', (error) => this.end(error));
  }

  /** Requests without an answer yet. */
  get asked(): number {
    return this.waiting.length;
  }

  /** @throws what ended the thread */
  ask(request: Request, moved: Transferable[] = []): Promise<Response> {
    if (this.ended) return Promise.reject(this.ended);
    this.worker.postMessage(request, moved);
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  async close(): Promise<void> {
    await this.worker.terminate();
    this.end(new Error('the thread was ended'));
  }

  private end(error: unknown): void {
    this.ended ??= error;
    for (const { reject } of this.waiting.splice(0)) reject(error);
  }
}

interface Waiting<Response> {
  resolve(response: Response): void;
  reject(error: unknown): void;
}
