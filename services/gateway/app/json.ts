import {
  type DescMessage,
  fromJson,
  type JsonValue,
  type MessageShape,
  toJson,
} from '@bufbuild/protobuf';
import { DomainError } from '#libs/contracts/index.js';

/** Thrown for a request whose body is not the JSON of its message. */
export class InvalidRequest extends DomainError {
  override readonly name = 'InvalidRequest';
}

/** Parses a request body strictly: unknown fields are refused. @throws InvalidRequest */
export function parseBody<Schema extends DescMessage>(
  schema: Schema,
  body: unknown,
): MessageShape<Schema> {
  try {
    return fromJson(schema, (body ?? {}) as JsonValue);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidRequest(
      `the request body is not a valid ${schema.name}: ${reason}`,
      'see proto/espalier/v1 for the fields',
      { cause },
    );
  }
}

/** The JSON of a reply: every field is there, also when it is zero or empty. */
export function replyJson<Schema extends DescMessage>(
  schema: Schema,
  message: MessageShape<Schema>,
): JsonValue {
  return toJson(schema, message, { alwaysEmitImplicit: true });
}
