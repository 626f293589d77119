import { startTracker } from './wan-torrent.js';

/* The tracker as a process of its own: it answers from within the origin's namespace. */
const [host = '', port = ''] = process.argv.slice(2);
await startTracker(host, Number(port));
process.stdout.write('ready\n');
