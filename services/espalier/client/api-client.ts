import { userInfo } from 'node:os';
import { type DescMessage, fromJson, type JsonValue, type MessageShape } from '@bufbuild/protobuf';
import { uuidv7 } from 'uuidv7';
import type { CloudEvent } from '#libs/contracts/index.js';

/** The control plane refused, with its reason and what to do. */
export class Refused extends Error {
  override readonly name = 'Refused';
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly remedy: string,
  ) {
    super(message);
  }
}

/** Nobody answers at the URL. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

export type FeedEvent = CloudEvent & { readonly sequence: number };

/** The gateway's HTTP API. */
export class ApiClient {
  /**
   * @param reason why its commands are given; travels with the events that they cause
   * @param token what admits uploads, or lets read content
   */
  constructor(
    private readonly url: string,
    private readonly reason = '',
    private readonly token = '',
  ) {}

  async get<Schema extends DescMessage>(
    path: string,
    schema: Schema,
  ): Promise<MessageShape<Schema>> {
    const body = (await this.send('GET', path)) as JsonValue;
    return fromJson(schema, body, { ignoreUnknownFields: true });
  }

  /** Asks for work whose reply is a message. */
  async post<Schema extends DescMessage>(
    path: string,
    schema: Schema,
    command?: JsonValue,
  ): Promise<MessageShape<Schema>> {
    const body = await this.send<JsonValue>('POST', path, command);
    return fromJson(schema, body, { ignoreUnknownFields: true });
  }

  /** A whole blob. */
  async blob(digest: string): Promise<Uint8Array> {
    const headers = { authorization: `Bearer ${this.token}` };
    const response = await this.fetch(`/blobs/${digest}`, { headers });
    return new Uint8Array(await response.arrayBuffer());
  }

  /** Sends a command; the reply is what the command's route answers. */
  async send<Reply = { id: string; sequence: number }>(
    method: string,
    path: string,
    body?: JsonValue,
  ): Promise<Reply> {
    const response = await this.fetch(path, {
      method,
      headers: {
        'espalier-actor': `cli:${userInfo().username}`,
        'idempotency-key': uuidv7(),
        'espalier-reason': encodeURIComponent(this.reason),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return (await response.json()) as Reply;
  }

  /** Sends bytes, as a whole or as they come; gives the JSON of the answer, if it has any. */
  readonly sendBytes = async (
    method: string,
    path: string,
    body: Uint8Array | ReadableStream,
    sizeBytes: number,
  ): Promise<unknown> => {
    const init = {
      method,
      headers: {
        'content-type': 'application/octet-stream',
        'content-length': String(sizeBytes),
        authorization: `Bearer ${this.token}`,
      },
      body,
      duplex: 'half',
    };
    const response = await this.fetch(path, init as unknown as RequestInit);
    const text = await response.text();
    return text === '' ? undefined : JSON.parse(text);
  };

  /** Events as they are in the log, then as they come when `follow` is set. */
  async *events(query: Record<string, string>, signal?: AbortSignal): AsyncGenerator<FeedEvent> {
    const left = new AbortController();
    const ends = signal ? AbortSignal.any([signal, left.signal]) : left.signal;
    const path = `/api/v1/events?${new URLSearchParams(query)}`;
    const response = await this.fetch(path, { signal: ends });
    try {
      for await (const line of linesOf(response)) yield JSON.parse(line) as FeedEvent;
    } finally {
      left.abort();
    }
  }

  private async fetch(path: string, init: RequestInit): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(new URL(path, this.url), init);
    } catch (cause) {
      if ((cause as Error).name === 'AbortError') throw cause;
      throw new Unreachable(`no control plane answers at ${this.url}`, { cause });
    }
    if (response.ok) return response;
    throw await refusal(response);
  }
}

async function refusal(response: Response): Promise<Refused> {
  const text = await response.text();
  try {
    const { code, message, remedy } = JSON.parse(text) as Record<string, string>;
    return new Refused(response.status, code ?? '', message ?? text, remedy ?? '');
  } catch {
    return new Refused(response.status, '', text || `HTTP ${response.status}`, '');
  }
}

async function* linesOf({ body }: Response): AsyncGenerator<string> {
  let rest = '';
  for await (const text of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    yield* lines.filter((line) => line !== '');
  }
}
