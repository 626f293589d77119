import { resolve } from 'node:path';
import type { Command } from 'commander';
import { optimizeLate } from '#libs/native/late-optimization.js';
import { exitCodes } from '../exit-codes.js';
import { defaultDataDir, print, tell, wholeNumber } from './context.js';

/** `espalier up`: everything on one host. */
export function upCommand(program: Command): void {
  program
    .command('up')
    .description('run the control plane and demo servers on this host, until Ctrl-C')
    .option('--data-dir <dir>', 'where everything is kept', defaultDataDir)
    .option('--http <port>', 'port of the API and the console; 0: any free one', wholeNumber, 7800)
    .option('--https <port>', 'port for agents (default: the next one; 0: any)', wholeNumber)
    .option('--segments <n>', 'LANs of demo servers', wholeNumber, 2)
    .option('--nodes <m>', 'demo servers in each', wholeNumber, 3)
    .option('--json', 'say in one JSON line when everything is ready')
    .action(async (options) => {
      optimizeLate();
      // Loaded here, so that the other commands start quickly.
      const { startControlPlane } = await import('../up/control-plane.js');
      const { startDemoAgents } = await import('../up/demo-agents.js');
      const dataDir = resolve(options.dataDir);
      const log = options.json ? () => undefined : tell;
      const control = await startControlPlane({
        dataDir,
        httpHost: '127.0.0.1',
        httpPort: options.http,
        agentPort: options.https,
        log,
      });
      const { segments, nodes } = options;
      const fleet = await startDemoAgents(control, { dataDir, segments, nodes, log });
      const { url, agentUrl } = control;
      const ready = { ready: true, url, dataDir, agentUrl };
      if (options.json) print(JSON.stringify(ready));
      else tell(`${fleet.agents.length} demo servers ready; console: ${control.url}/`);
      await untilStopped();
      log('stopping');
      await fleet.close();
      await control.close();
      process.exit(exitCodes.done);
    });
}

/** Resolves at the first SIGINT or SIGTERM; a second one ends the process at once. */
export function untilStopped(): Promise<void> {
  return new Promise((stop) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.removeAllListeners(signal);
      process.once(signal, () => {
        process.once(signal, () => process.exit(exitCodes.interrupted));
        stop();
      });
    }
  });
}
