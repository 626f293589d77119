import { createHash } from 'node:crypto';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, Agent as SecureAgent } from 'node:https';
import { pipeline } from 'node:stream/promises';
import {
  canonicalQuery,
  emptyDigest,
  encodeStrictly,
  type S3Credentials,
  signedHeaders,
} from './signature.js';

export interface S3Location extends S3Credentials {
  /** Base URL of the service; objects are addressed as `<endpoint>/<bucket>/<key>`. */
  readonly endpoint: string;
  readonly bucket: string;
}

/** An answer that is neither success nor "not found". */
export class S3Refused extends Error {
  override readonly name = 'S3Refused';
  constructor(
    readonly status: number,
    what: string,
    answer: string,
  ) {
    const code = /<Code>([^<]+)<\/Code>/.exec(answer)?.[1];
    super(`the object store answered ${status}${code ? ` (${code})` : ''} to ${what}`);
  }
}

export interface S3Body {
  readonly bytes: AsyncIterable<Uint8Array> | Uint8Array;
  readonly sizeBytes: number;
  /** SHA-256, hex: the service refuses a body that arrives damaged. */
  readonly digest: string;
}

export interface S3Object {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

interface Call {
  readonly method: string;
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: S3Body;
}

const idleTimeoutMs = 60_000;
const connections = 16;

/** The few calls of the S3 protocol that a content store needs. */
export class S3Client {
  private readonly url: URL;
  private readonly agent: Agent;

  constructor(private readonly location: S3Location) {
    this.url = new URL(location.endpoint);
    const options = { keepAlive: true, maxSockets: connections };
    this.agent = this.url.protocol === 'https:' ? new SecureAgent(options) : new Agent(options);
  }

  /** Undefined when there is no such object. @throws S3Refused */
  async head(key: string): Promise<{ sizeBytes: number } | undefined> {
    const answer = await this.call({ method: 'HEAD', key });
    answer.resume();
    if (answer.statusCode === 404) return undefined;
    requireSuccess(answer, `HEAD ${key}`, '');
    return { sizeBytes: Number(answer.headers['content-length']) };
  }

  /**
   * The bytes of an object from `first` to `last`, both included; undefined when there is none.
   * @throws S3Refused
   */
  async get(key: string, first?: number, last?: number): Promise<IncomingMessage | undefined> {
    const range = first === undefined ? {} : { headers: { range: `bytes=${first}-${last}` } };
    const answer = await this.call({ method: 'GET', key, ...range });
    if (answer.statusCode === 404) {
      answer.resume();
      return undefined;
    }
    await requireSuccessful(answer, `GET ${key}`);
    return answer;
  }

  /** @throws S3Refused */
  async put(key: string, body: S3Body): Promise<void> {
    await this.textOf({ method: 'PUT', key, body }, `PUT ${key}`);
  }

  /** Makes the bucket, unless it is there. @throws S3Refused */
  async makeBucket(): Promise<void> {
    const answer = await this.call({ method: 'PUT' });
    const text = await readText(answer);
    if (answer.statusCode !== 409) requireSuccess(answer, 'PUT bucket', text);
  }

  /** Harmless when there is no such object. @throws S3Refused */
  async remove(key: string): Promise<void> {
    const answer = await this.call({ method: 'DELETE', key });
    const text = await readText(answer);
    if (answer.statusCode !== 404) requireSuccess(answer, `DELETE ${key}`, text);
  }

  /** Objects whose keys begin with `prefix`, page by page. @throws S3Refused */
  async *list(prefix: string): AsyncGenerator<S3Object> {
    let token: string | undefined;
    do {
      const query = {
        'list-type': '2',
        prefix,
        ...(token === undefined ? {} : { 'continuation-token': token }),
      };
      const page = await this.textOf({ method: 'GET', query }, `list of ${prefix}`);
      for (const [, entry = ''] of page.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
        yield {
          key: element(entry, 'Key'),
          sizeBytes: Number(element(entry, 'Size')),
          modifiedMs: Date.parse(element(entry, 'LastModified')),
        };
      }
      token = element(page, 'NextContinuationToken') || undefined;
    } while (token !== undefined);
  }

  close(): void {
    this.agent.destroy();
  }

  /** Uploads an object in parts; on an error none of it stays. @throws S3Refused */
  async multipart(
    key: string,
    parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<void> {
    const begun = await this.textOf({ method: 'POST', key, query: { uploads: '' } }, `POST ${key}`);
    const uploadId = element(begun, 'UploadId');
    const list: string[] = [];
    try {
      for await (const bytes of parts) {
        const partNumber = String(list.length + 1);
        const tag = await this.uploadPart(key, { uploadId, partNumber }, bytes);
        const part = `<PartNumber>${partNumber}</PartNumber><ETag>${tag}</ETag>`;
        list.push(`<Part>${part}</Part>`);
      }
      const done = `<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`;
      const body = bodyOf(Buffer.from(done));
      const answer = await this.textOf({ method: 'POST', key, query: { uploadId }, body }, key);
      // Errors of this call come with status 200.
      if (answer.includes('<Error>')) throw new S3Refused(500, `the upload of ${key}`, answer);
    } catch (error) {
      const abort = await this.call({ method: 'DELETE', key, query: { uploadId } });
      abort.resume();
      throw error;
    }
  }

  private async uploadPart(
    key: string,
    query: Readonly<Record<string, string>>,
    bytes: Uint8Array,
  ): Promise<string> {
    const answer = await this.call({ method: 'PUT', key, query, body: bodyOf(bytes) });
    const text = await readText(answer);
    requireSuccess(answer, `part ${query.partNumber} of ${key}`, text);
    return String(answer.headers.etag ?? '');
  }

  private async textOf(call: Call, what: string): Promise<string> {
    const answer = await this.call(call);
    const text = await readText(answer);
    requireSuccess(answer, what, text);
    return text;
  }

  private call({ method, key, query = {}, headers = {}, body }: Call): Promise<IncomingMessage> {
    const { url, location, agent } = this;
    const names = [location.bucket, ...(key === undefined ? [] : key.split('/'))];
    const base = url.pathname.replace(/\/+$/, '');
    const path = `${base}/${names.map(encodeStrictly).join('/')}`;
    const payloadDigest = body?.digest ?? emptyDigest;
    const typed = body ? { ...headers, 'content-type': 'application/octet-stream' } : headers;
    const signed = signedHeaders(
      { method, host: url.host, path, query, payloadDigest, headers: typed },
      location,
      Date.now(),
    );
    const search = canonicalQuery(query);
    const length = method === 'GET' || method === 'HEAD' ? undefined : (body?.sizeBytes ?? 0);
    const options = {
      method,
      agent,
      host: url.hostname,
      port: url.port,
      path: search === '' ? path : `${path}?${search}`,
      headers: length === undefined ? signed : { ...signed, 'content-length': length },
      timeout: idleTimeoutMs,
    };
    return new Promise((resolve, reject) => {
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
      const sent = send(options, resolve);
      sent.on('error', reject);
      sent.on('timeout', () => sent.destroy(new Error(`${url.host} does not answer`)));
      if (!body) sent.end();
      else if (body.bytes instanceof Uint8Array) sent.end(body.bytes);
      // A refusal may come before the body was sent whole: the answer says why, not the pipe.
      else pipeline(body.bytes, sent).catch((error: unknown) => sent.destroy(error as Error));
    });
  }
}

export function bodyOf(bytes: Uint8Array): S3Body {
  const digest = createHash('sha256').update(bytes).digest('hex');
  return { bytes, sizeBytes: bytes.length, digest };
}

async function readText(answer: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const bytes of answer as AsyncIterable<Buffer>) parts.push(bytes);
  return Buffer.concat(parts).toString('utf8');
}

async function requireSuccessful(answer: IncomingMessage, what: string): Promise<void> {
  if (isSuccess(answer)) return;
  requireSuccess(answer, what, await readText(answer));
}

function requireSuccess(answer: IncomingMessage, what: string, text: string): void {
  if (!isSuccess(answer)) throw new S3Refused(answer.statusCode ?? 0, what, text);
}

function isSuccess({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200 && statusCode < 300;
}

/** The text of the first element of that name; empty without one. */
function element(xml: string, name: string): string {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? '';
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');
}
