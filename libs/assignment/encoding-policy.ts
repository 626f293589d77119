import type { ConfigurationValue } from '#libs/configuration/configure.js';
import type { NativeCapabilities } from '#libs/native/capabilities.js';
import { extensionOf } from './never-compress.js';
import type { SealingPolicy } from './sealing.js';

/** How hard the builder works for fewer bytes. */
export const deltaLevels = ['fast', 'default', 'small'] as const;
export type DeltaLevel = (typeof deltaLevels)[number];

export function isDeltaLevel(text: string): text is DeltaLevel {
  return deltaLevels.some((level) => level === text);
}

export interface EncodingPolicy {
  /** Extensions, with dot and in lower case. */
  readonly neverCompress: readonly string[];
  readonly capabilities: Pick<NativeCapabilities, 'zstd' | 'zstdPrefix'>;
  /** Larger files are patched in segments and sent in a stream, in bounded memory. */
  readonly largestInMemoryBytes: number;
  /** False where agents cannot make files from differences; true unless told. */
  readonly patchesFiles?: boolean;
  /** `default` unless told. */
  readonly level?: DeltaLevel;
  /** Where the body will be sealed, what travels in clear all the same; nothing unless told. */
  readonly sealing?: SealingPolicy;
  /** The site's values; a file in which only they changed is not sent. */
  readonly configuration?: readonly (ConfigurationValue & { readonly path: string })[];
}

/** With its base, and what is made of it, it takes four times as much. */
export const defaultLargestInMemoryBytes = 64 * 1024 ** 2;

/** zstd's levels, 1 to 19. */
interface Levels {
  readonly patch: number;
  /** For content that is sent whole: when there is much of it, and when there is little. */
  readonly muchContent: number;
  readonly littleContent: number;
  /** Whether programs are aligned byte by byte: a second or two for fifty megabytes. */
  readonly alignsPrograms: boolean;
  /** Whether small differences share frames: they are looked for byte by byte. */
  readonly sharesDifferences: boolean;
}

const levels: Record<DeltaLevel, Levels> = {
  fast: {
    ...{ patch: 3, muchContent: 3, littleContent: 3 },
    ...{ alignsPrograms: false, sharesDifferences: false },
  },
  default: {
    ...{ patch: 9, muchContent: 3, littleContent: 9 },
    ...{ alignsPrograms: true, sharesDifferences: true },
  },
  small: {
    ...{ patch: 19, muchContent: 9, littleContent: 19 },
    ...{ alignsPrograms: true, sharesDifferences: true },
  },
};

export function levelsOf(policy: EncodingPolicy): Levels {
  return levels[policy.level ?? 'default'];
}

export function hasCompressor({ capabilities }: EncodingPolicy): boolean {
  return capabilities.zstd === 'libzstd' || capabilities.zstd === 'node';
}

/** Whether the content at this path is compressed already. */
export function isCompressedFormat({ neverCompress }: EncodingPolicy, path: string): boolean {
  return neverCompress.includes(extensionOf(path));
}

/** Whether content at this path is worth compressing, and can be. */
export function canCompress(policy: EncodingPolicy, path: string): boolean {
  return hasCompressor(policy) && !isCompressedFormat(policy, path);
}
