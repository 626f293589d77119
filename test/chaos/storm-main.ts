import { parseArgs } from 'node:util';
import { storm } from './storm/storm.js';

/*
 * Kills random services, nats-server and PostgreSQL by SIGKILL while runs are under way on
 * simulated agents, and looks afterwards whether an acknowledged event is lost, an effect happened
 * twice, or a run has no end.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    sites: { type: 'string', default: '200' },
    segments: { type: 'string', default: '3' },
    replicas: { type: 'string', default: '2' },
    /** On two processors runs end between kills down to two seconds. */
    'kill-every-ms': { type: 'string', default: '2000' },
    json: { type: 'boolean', default: false },
  },
});
const { findings, ...result } = await storm({
  minutes: Number(values.minutes),
  seed: Number(values.seed),
  sites: Number(values.sites),
  segments: Number(values.segments),
  replicas: Number(values.replicas),
  killEveryMs: Number(values['kill-every-ms']),
  log: (line) => process.stderr.write(`${line}\n`),
});
for (const finding of findings.slice(0, 20)) process.stderr.write(`${finding}\n`);
process.stdout.write(`${JSON.stringify(result, undefined, values.json ? undefined : 2)}\n`);
const isWell =
  result.lostEvents === 0 &&
  result.doubleEffects === 0 &&
  result.auditSound &&
  !('open' in result.finalStates);
process.exit(isWell ? 0 : 1);
