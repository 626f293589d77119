import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import S3rver from 's3rver';
import { S3Client, type S3Location } from '#libs/content-store/adapters/s3/s3-client.js';
import { signedHeaders } from '#libs/content-store/adapters/s3/signature.js';

export interface TestS3 {
  readonly location: S3Location;
  close(): Promise<void>;
}

const credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER', region: 'us-east-1' };
let buckets = 0;

/**
 * A bucket of the test's own: on the service that ESPALIER_TEST_S3_URL names (with
 * ESPALIER_TEST_S3_KEY and ESPALIER_TEST_S3_SECRET), else on s3rver, a server of its own kind.
 * `strict`: on a stand-in in this process, which checks more than s3rver does (payload digests) and
 * lists in pages of two.
 */
export async function withS3(kind: 'real' | 'strict' = 'real'): Promise<TestS3> {
  const { ESPALIER_TEST_S3_URL, ESPALIER_TEST_S3_KEY, ESPALIER_TEST_S3_SECRET } = process.env;
  const url = kind === 'real' ? ESPALIER_TEST_S3_URL : undefined;
  const bucket = `espalier-${process.pid}-${Date.now()}-${buckets++}`;
  const server = url ? undefined : await (kind === 'real' ? s3rver() : standIn());
  const location = {
    endpoint: url ?? server?.url ?? '',
    bucket,
    ...credentials,
    ...(url && ESPALIER_TEST_S3_KEY ? { accessKeyId: ESPALIER_TEST_S3_KEY } : {}),
    ...(url && ESPALIER_TEST_S3_SECRET ? { secretAccessKey: ESPALIER_TEST_S3_SECRET } : {}),
  };
  const client = new S3Client(location);
  await client.makeBucket();
  client.close();
  return { location, close: async () => server?.close() };
}

async function s3rver() {
  const directory = mkdtempSync(join(tmpdir(), 'espalier-s3rver-'));
  const options = { address: '127.0.0.1', port: 0, silent: true, vhostBuckets: false };
  const server = new S3rver({ ...options, directory });
  const { port } = await server.run();
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      await server.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

interface StoredObject {
  readonly bytes: Buffer;
  readonly modified: Date;
}

async function standIn() {
  const objects = new Map<string, StoredObject>();
  const server = createServer((request, response) => {
    void answer(objects, request, response);
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise<void>((closed) => {
        server.closeAllConnections();
        server.close(() => closed());
      }),
  };
}

async function answer(
  objects: Map<string, StoredObject>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const parts: Buffer[] = [];
  for await (const bytes of request as AsyncIterable<Buffer>) parts.push(bytes);
  const body = Buffer.concat(parts);
  const url = new URL(request.url ?? '/', 'http://s3');
  const refusal = problemOf(request, url, body);
  if (refusal) return end(response, 403, `<Error><Code>${refusal}</Code></Error>`);
  const query = Object.fromEntries(url.searchParams);
  if ('uploads' in query) return end(response, 200, '<UploadId>upload-1</UploadId>');
  if (query.uploadId) return multipart(objects, request, response, url, body);
  const key = url.pathname;
  if (request.method === 'PUT') {
    objects.set(key, { bytes: body, modified: new Date() });
    return end(response, 200, '');
  }
  if (request.method === 'DELETE') {
    objects.delete(key);
    return end(response, 204, '');
  }
  if (query['list-type'] === '2') return list(objects, response, key, query);
  const found = objects.get(key);
  if (!found) return end(response, 404, '<Error><Code>NoSuchKey</Code></Error>');
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  const first = Number(range?.[1] ?? 0);
  const last = range ? Number(range[2]) : found.bytes.length - 1;
  const bytes = found.bytes.subarray(first, last + 1);
  response.writeHead(range ? 206 : 200, {
    'content-length': bytes.length,
    ...(range ? { 'content-range': `bytes ${first}-${last}/${found.bytes.length}` } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

/** The code of a refusal, as the service would give it. */
function problemOf(request: IncomingMessage, url: URL, body: Buffer): string | undefined {
  const { headers, method = '' } = request;
  const digest = createHash('sha256').update(body).digest('hex');
  if (headers['x-amz-content-sha256'] !== digest) return 'XAmzContentSHA256Mismatch';
  const signed = /SignedHeaders=([^,]+)/.exec(headers.authorization ?? '')?.[1]?.split(';') ?? [];
  const others = signed.filter((name) => name !== 'host' && !name.startsWith('x-amz-'));
  const time = String(headers['x-amz-date']).replace(
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/,
    '$1-$2-$3T$4:$5:$6Z',
  );
  const expected = signedHeaders(
    {
      method,
      host: headers.host ?? '',
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      payloadDigest: digest,
      headers: Object.fromEntries(others.map((name) => [name, String(headers[name])])),
    },
    credentials,
    Date.parse(time),
  );
  return expected.authorization === headers.authorization ? undefined : 'SignatureDoesNotMatch';
}

function multipart(
  objects: Map<string, StoredObject>,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  body: Buffer,
): void {
  const number = url.searchParams.get('partNumber');
  const partKey = (part: string | null) => `part ${part} of ${url.pathname}`;
  const parts: string[] = [...body.toString('latin1').matchAll(/<PartNumber>(\d+)</g)].map(
    ([, part = '']) => part,
  );
  if (request.method === 'PUT') {
    objects.set(partKey(number), { bytes: body, modified: new Date() });
    response.setHeader('etag', `"${number}"`);
  } else if (request.method === 'POST') {
    const bytes = Buffer.concat(
      parts.map((part) => objects.get(partKey(part))?.bytes ?? Buffer.of()),
    );
    objects.set(url.pathname, { bytes, modified: new Date() });
  }
  end(response, 200, '<Done/>');
}

/** Pages of two, so that readers must ask for the next. */
function list(
  objects: Map<string, StoredObject>,
  response: ServerResponse,
  bucket: string,
  query: Record<string, string>,
): void {
  const keys = [...objects.keys()]
    .filter((key) => key.startsWith(`${bucket}/`))
    .map((key) => decodeURIComponent(key.slice(bucket.length + 1)))
    .filter((key) => key.startsWith(query.prefix ?? ''))
    .sort();
  const after = query['continuation-token'] ?? '';
  const page = keys.filter((key) => key > after).slice(0, 2);
  const last = page.at(-1) ?? '';
  const entries = page.map((key) => {
    const object = objects.get(`${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`);
    const size = `<Size>${object?.bytes.length}</Size>`;
    const time = `<LastModified>${object?.modified.toISOString()}</LastModified>`;
    return `<Contents><Key>${key}</Key>${time}${size}</Contents>`;
  });
  const hasMore = last !== '' && keys.some((key) => key > last);
  const next = hasMore ? `<NextContinuationToken>${last}</NextContinuationToken>` : '';
  end(response, 200, `<ListBucketResult>${entries.join('')}${next}</ListBucketResult>`);
}

function end(response: ServerResponse, status: number, xml: string): void {
  const empty = status === 204;
  response.writeHead(status, empty ? {} : { 'content-type': 'application/xml' });
  response.end(empty ? undefined : xml);
}
