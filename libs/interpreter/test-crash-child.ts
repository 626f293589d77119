import { systemClock } from '#libs/clock/adapters/system-clock.js';
import type { Failpoint, InterpreterPorts } from './ports.js';
import { prepare } from './prepare.js';
import { switchTo } from './switch.js';
import { assignmentOf, testVersions } from './test-versions.js';

/*
 * A process that prepares version 2 and makes it live, and kills itself at a failpoint.
 * Arguments: root, failpoint.
 */
const [root = '', failpoint] = process.argv.slice(2) as [string, Failpoint];

const ports: InterpreterPorts = {
  clock: systemClock,
  syncFilesystem: () => undefined,
  decodePatch: () => new Uint8Array(),
  failpoint: (name) => {
    if (name === failpoint) process.kill(process.pid, 'SIGKILL');
  },
};

await prepare({ root, site: 'www', ...assignmentOf(testVersions, 2) }, ports);
await switchTo({ root, site: 'www', sequence: 2 }, ports);
