/** Extensions of files whose content is compressed already. */
export const compressedFormats: readonly string[] = [
  ...['.avif', '.gif', '.heic', '.jpeg', '.jpg', '.jxl', '.png', '.webp'],
  ...['.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.webm', '.wmv'],
  ...['.aac', '.flac', '.m4a', '.mp3', '.oga', '.ogg', '.opus', '.wma'],
  ...['.7z', '.br', '.bz2', '.gz', '.lz4', '.lzma', '.rar', '.tgz', '.txz', '.xz', '.zip', '.zst'],
  ...['.apk', '.docx', '.epub', '.ipa', '.jar', '.odt', '.pptx', '.war', '.xlsx'],
  ...['.deb', '.rpm', '.whl', '.woff', '.woff2'],
];

/** The extension of a path, with its dot and in lower case; empty if it has none. */
export function extensionOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return dot > 0 ? name.slice(dot).toLowerCase() : '';
}
