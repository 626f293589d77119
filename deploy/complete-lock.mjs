// Adds to package-lock.json the entries of optional packages for other platforms that npm left out
// because the registry at hand could not resolve them; without them `npm ci` refuses the lock file.
// Run it after a change of dependencies: node deploy/complete-lock.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';

const systems = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'];
const processors = ['arm64', 'x64', 'ia32', 'ppc64', 's390x', 'riscv64', 'loong64'];

/** Gives a lock with an entry for every optional dependency. */
export function completeLock(lock) {
  const packages = { ...lock.packages };
  for (const [parent, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (isLocked(packages, parent, name)) continue;
      packages[`node_modules/${name}`] = stub(name, version, entry.dev === true);
    }
  }
  const sorted = Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, 'en'));
  return { ...lock, packages: Object.fromEntries(sorted) };
}

/** As Node finds it: beside the parent's own packages, or those of a directory above. */
function isLocked(packages, parent, name) {
  for (
    let place = parent;
    ;
    place = place.slice(0, Math.max(0, place.lastIndexOf('/node_modules/')))
  ) {
    if (packages[`${place ? `${place}/` : ''}node_modules/${name}`]) return true;
    if (place === '') return false;
  }
}

/** What npm needs to know to pass over a package on the wrong platform. */
function stub(name, version, dev) {
  const words = name.slice(name.indexOf('/') + 1).split('-');
  const os = systems.filter((system) => words.includes(system));
  const cpu = processors.filter((processor) => words.includes(processor));
  const arm = words.some((word) => /^armv\d$|^arm$/.test(word));
  if (os.length !== 1) throw new Error(`No platform can be told from the name of ${name}`);
  const musl = words.some((word) => word.startsWith('musl'));
  const glibc = words.some((word) => word.startsWith('gnu'));
  return {
    version,
    cpu: arm ? ['arm'] : cpu,
    ...(dev && { dev }),
    ...(musl && { libc: ['musl'] }),
    ...(glibc && { libc: ['glibc'] }),
    optional: true,
    os,
  };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const path = fileURLToPath(new URL('../package-lock.json', import.meta.url));
  const lock = JSON.parse(readFileSync(path, 'utf8'));
  const complete = completeLock(lock);
  writeFileSync(path, `${JSON.stringify(complete, null, 2)}\n`);
  const added = Object.keys(complete.packages).length - Object.keys(lock.packages).length;
  console.log(`package-lock.json: ${added} entries added`);
}
