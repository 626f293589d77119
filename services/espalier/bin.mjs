#!/usr/bin/env node
import { existsSync } from 'node:fs';

const cli = new URL('../../dist/services/espalier/cli.js', import.meta.url);
if (!existsSync(cli)) {
  process.stderr.write('espalier is not built yet; npm run build builds it\n');
  process.exit(1);
}
await import(cli);
