import type { Command } from 'commander';
import { clientOf, print, withClientOptions } from './context.js';

/** `espalier rollout pause|promote RUN`; `espalier abort RUN` ends one. */
export function rolloutCommand(program: Command): void {
  const rollout = program.command('rollout').description('runs that go in waves');
  add(rollout, 'pause', 'let no further wave begin', 'is paused');
  add(rollout, 'promote', 'go on with the next wave now, or after a pause', 'goes on');
}

function add(rollout: Command, name: string, description: string, done: string): void {
  withClientOptions(rollout.command(name).description(description).argument('<run>')).action(
    async (run, options) => {
      const path = `/api/v1/runs/${encodeURIComponent(run)}/rollout/${name}`;
      await clientOf(options).send('POST', path, {});
      print(options.output === 'json' ? JSON.stringify({ runId: run }) : `run ${run} ${done}`);
    },
  );
}
