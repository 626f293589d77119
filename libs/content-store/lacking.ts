import type { ContentStore } from './content-store.js';

/** A store on another host is asked for so many at a time: each answer takes a while. */
const askedAtOnce = 64;

/** Those of the files, each content once, that a store has not; in their order. */
export async function lacking<File extends { readonly digest: string }>(
  store: Pick<ContentStore, 'has'>,
  files: Iterable<File>,
): Promise<File[]> {
  const result: File[] = [];
  let asked: File[] = [];
  const answers = async () => {
    const areKnown = await Promise.all(asked.map(({ digest }) => store.has(digest)));
    result.push(...asked.filter((_, index) => !areKnown[index]));
    asked = [];
  };
  for (const file of eachOnce(files)) {
    asked.push(file);
    if (asked.length === askedAtOnce) await answers();
  }
  await answers();
  return result;
}

function* eachOnce<File extends { readonly digest: string }>(files: Iterable<File>) {
  const digests = new Set<string>();
  for (const file of files) {
    if (digests.has(file.digest)) continue;
    digests.add(file.digest);
    yield file;
  }
}
