import { describe, expect, test } from '@jest/globals';
import { OrderedWorker } from './ordered-worker.js';

const doubling = script(`parentPort.on('message', (number) => {
  if (number < 0) throw new RangeError('below zero');
  parentPort.postMessage(2 * number);
});`);
const silent = script("parentPort.on('message', () => undefined);");

describe('a thread that answers in order', () => {
  test('answers each request with what was made of it', async () => {
    const worker = new OrderedWorker<number, number>(doubling);
    const answers = [1, 2, 3].map((number) => worker.ask(number));
    expect(worker.asked).toBe(3);
    expect(await Promise.all(answers)).toEqual([2, 4, 6]);
    expect(worker.asked).toBe(0);
    await worker.close();
  });

  test('once it failed, says why to who waits and to who asks later', async () => {
    const worker = new OrderedWorker<number, number>(doubling);
    const [failing, behind] = [worker.ask(-1), worker.ask(1)];
    await expect(failing).rejects.toThrow('below zero');
    await expect(behind).rejects.toThrow('below zero');
    await expect(worker.ask(2)).rejects.toThrow('below zero');
    await worker.close();
  });

  test('leaves nobody waiting when it is closed', async () => {
    const worker = new OrderedWorker<number, number>(silent);
    const waiting = expect(worker.ask(1)).rejects.toThrow('the thread was ended');
    await worker.close();
    await waiting;
    await expect(worker.ask(2)).rejects.toThrow('the thread was ended');
  });
});

function script(body: string): URL {
  const source = `import { parentPort } from 'node:worker_threads';\n${body}`;
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`);
}
