/** Equal for paths that a file system without case or with normalisation takes for one. */
export function foldPath(path: string): string {
  return path.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC');
}
