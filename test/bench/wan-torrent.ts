import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';

/* What BitTorrent needs besides its clients: a file that describes the content, and a tracker. */

const pieceBytes = 256 * 1024;

type Bencoded = number | Buffer | string | Bencoded[] | { [key: string]: Bencoded };

/** BEP 3: keys of dictionaries are sorted. */
export function bencode(value: Bencoded): Buffer {
  if (typeof value === 'number') return Buffer.from(`i${value}e`);
  if (typeof value === 'string') return bencode(Buffer.from(value));
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.from(`${value.length}:`), value]);
  const isList = Array.isArray(value);
  const items = isList
    ? value.map(bencode)
    : Object.keys(value)
        .sort()
        .flatMap((key) => [bencode(key), bencode(value[key] as Bencoded)]);
  return Buffer.concat([Buffer.from(isList ? 'l' : 'd'), ...items, Buffer.from('e')]);
}

/** A metainfo file for one file. */
export function torrentOf(path: string, name: string, announce: string): Buffer {
  const bytes = readFileSync(path);
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const piece = bytes.subarray(at, at + pieceBytes);
    pieces.push(createHash('sha1').update(piece).digest());
  }
  const info = {
    name,
    length: statSync(path).size,
    'piece length': pieceBytes,
    pieces: Buffer.concat(pieces),
    private: 1,
  };
  return bencode({ announce, info });
}

/** Tells every peer of all others at once (BEP 23, compact). @returns a function that ends it */
export async function startTracker(host: string, port: number): Promise<() => void> {
  const peers = new Map<string, Buffer>();
  const server = createServer((request, response) => {
    const ip = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
    const ownPort = Number(/[?&]port=(\d+)/.exec(request.url ?? '')?.[1] ?? 0);
    const compact = Buffer.alloc(6);
    ip.split('.').forEach((byte, at) => void compact.writeUInt8(Number(byte), at));
    compact.writeUInt16BE(ownPort, 4);
    peers.set(`${ip}:${ownPort}`, compact);
    response.end(
      bencode({ interval: 1, 'min interval': 1, peers: Buffer.concat([...peers.values()]) }),
    );
  });
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  return () => {
    server.closeAllConnections();
    server.close();
  };
}
