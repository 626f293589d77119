import { systemClock } from '#libs/clock/adapters/system-clock.js';
import { syncfs } from '#libs/native/syncfs.js';
import { decompressWithPrefix } from '#libs/native/zstd.js';
import type { InterpreterPorts } from '../ports.js';
import { hostPrograms } from './host-programs.js';

/** The interpreter's ports on a real host. */
export const hostPorts: InterpreterPorts = {
  clock: systemClock,
  syncFilesystem: syncfs,
  decodePatch: decompressWithPrefix,
  programs: hostPrograms,
};
