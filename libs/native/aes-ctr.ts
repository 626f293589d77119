import { createCipheriv } from 'node:crypto';
import { loadLibrary, type NativeFunction } from './ffi.js';

/**
 * AES-256 in counter mode from `counter` (16 bytes) on; `skipped` bytes of its stream are left out.
 * `target` may be `source`, and is as long.
 */
export type AesCtr = (
  key: Uint8Array,
  counter: Uint8Array,
  skipped: number,
  source: Uint8Array,
  target: Uint8Array,
) => void;

let found: AesCtr | undefined;

/**
 * The same OpenSSL that `node:crypto` calls, which writes where it is told: a result in new memory
 * for each block keeps the garbage collector busier than the cipher. Else `node:crypto`.
 */
export function aesCtr(): AesCtr {
  if (found) return found;
  const native = load();
  found = native && isSound(native) ? native : portableAesCtr;
  return found;
}

export const portableAesCtr: AesCtr = (key, counter, skipped, source, target) => {
  const cipher = createCipheriv('aes-256-ctr', key, counter);
  if (skipped > 0) cipher.update(Buffer.alloc(skipped));
  target.set(cipher.update(source));
};

function load(): AesCtr | undefined {
  try {
    const library = loadLibrary(null);
    return library && bind((declaration) => library.func(declaration));
  } catch {
    // Node was built without, or with an OpenSSL that it does not show.
    return undefined;
  }
}

function bind(func: (declaration: string) => NativeFunction): AesCtr {
  const newContext = func('void *EVP_CIPHER_CTX_new()');
  const ctr = func('void *EVP_aes_256_ctr()')();
  const init = func('int EVP_EncryptInit_ex(void *, void *, void *, void *, void *)');
  const update = func('int EVP_EncryptUpdate(void *, void *, void *, void *, int)');
  // One for all: it is set anew for every call, and calls do not overlap.
  const context = newContext();
  const written = Buffer.alloc(4);
  return (key, counter, skipped, source, target) => {
    const unwanted = Buffer.alloc(skipped);
    const isDone =
      init(context, ctr, null, key, counter) === 1 &&
      (skipped === 0 || update(context, unwanted, written, unwanted, skipped) === 1) &&
      update(context, target, written, source, source.length) === 1;
    if (!isDone) throw new Error('OpenSSL does not encrypt');
  };
}

/** Whether it gives what `node:crypto` gives. */
function isSound(cipher: AesCtr): boolean {
  try {
    const [key, counter, source] = [Buffer.alloc(32, 7), Buffer.alloc(16, 9), Buffer.alloc(100, 3)];
    const [one, other] = [Buffer.alloc(100), Buffer.alloc(100)];
    cipher(key, counter, 5, source, one);
    portableAesCtr(key, counter, 5, source, other);
    return one.equals(other);
  } catch {
    return false;
  }
}
