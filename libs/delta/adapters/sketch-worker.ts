import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { type Sketch, SketchBuilder } from '../sketch.js';

const memory = Buffer.allocUnsafeSlow(1024 ** 2);
const builder = new SketchBuilder();

function sketchFile(path: string): Sketch {
  const file = openSync(path, 'r');
  try {
    for (let count = 1; count > 0; ) {
      count = readSync(file, memory, 0, memory.length, null);
      builder.add(memory.subarray(0, count));
    }
  } finally {
    closeSync(file);
  }
  return builder.finish();
}

/** Asked for the sketch of a path; nothing: it cannot be read. */
parentPort?.on('message', (path: string) => {
  try {
    const sketch = sketchFile(path);
    parentPort?.postMessage(sketch, [sketch.buffer]);
  } catch {
    builder.finish();
    parentPort?.postMessage(undefined);
  }
});
