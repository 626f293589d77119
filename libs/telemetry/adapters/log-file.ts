import { appendFileSync } from 'node:fs';

/**
 * Writes lines to stderr, and to the file that `ESPALIER_LOG_FILE` names as well. A file that
 * cannot be written takes nobody down: it is said once on stderr.
 */
export function logWriter(env: NodeJS.ProcessEnv): (line: string) => void {
  const path = env.ESPALIER_LOG_FILE;
  if (!path) return (line) => void process.stderr.write(line);
  let isBroken = false;
  return (line) => {
    process.stderr.write(line);
    try {
      appendFileSync(path, line, { mode: 0o640 });
      isBroken = false;
    } catch (error) {
      if (!isBroken) process.stderr.write(`${path} cannot be written: ${String(error)}\n`);
      isBroken = true;
    }
  };
}
