import { closeSync, openSync } from 'node:fs';

/*
 * A process that opens the file of its argument until it is told to stop, and says how often that
 * failed.
 */
const file = process.argv[2] ?? '';
const opensPerTurn = 200;
let opens = 0;
let failedOpens = 0;

process.send?.({ opens, failedOpens });
// Whoever wants to know is gone.
process.once('disconnect', () => process.exit(1));
process.once('message', () => {
  process.send?.({ opens, failedOpens }, () => process.exit(0));
});
read();

function read(): void {
  for (let number = 0; number < opensPerTurn; number++) {
    opens += 1;
    try {
      closeSync(openSync(file, 'r'));
    } catch {
      failedOpens += 1;
    }
  }
  setImmediate(read);
}
