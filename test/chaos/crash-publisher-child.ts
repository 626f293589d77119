import { readSiteState } from '#libs/interpreter/recover.js';
import { testVersions } from '#libs/interpreter/test-versions.js';
import { publish, switchBack } from './crashes.js';

/*
 * Publishes one version after the other from what is live, and switches back and forth after the
 * last, until it is killed.
 */
const root = process.argv[2] ?? '';
process.send?.('started');
for (;;) {
  const { live } = readSiteState({ root, site: 'www' });
  const next = (live?.sequence ?? 0) + 1;
  if (next <= testVersions.length) await publish(root, next);
  else await switchBack(root);
}
