import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';

/** JSON Schema (draft 07) as far as it is needed here. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** What people wrote about a message or a field in proto/; empty where they wrote nothing. */
export type Comments = (message: string, field?: string) => string;

const reference = ({ name }: DescMessage): JsonSchema => ({ $ref: `#/components/schemas/${name}` });

/**
 * The schema of a message's JSON, as protobuf defines it: absent fields have their defaults, 64-bit
 * numbers are text, bytes are base64.
 */
export function schemaOf(message: DescMessage, comments: Comments): JsonSchema {
  const properties = message.fields.map((field) => [
    field.jsonName,
    described(schemaOfField(field), comments(message.name, field.name)),
  ]);
  const schema = { type: 'object', properties: Object.fromEntries(properties) };
  return described(schema, comments(message.name));
}

/** All messages that a message is made of, itself too. */
export function messagesOf(message: DescMessage, known = new Map<string, DescMessage>()) {
  if (known.has(message.name)) return known;
  known.set(message.name, message);
  for (const field of message.fields) {
    const part = partOf(field);
    if (part) messagesOf(part, known);
  }
  return known;
}

function partOf(field: DescField): DescMessage | undefined {
  return 'message' in field ? (field.message as DescMessage | undefined) : undefined;
}

function schemaOfField(field: DescField): JsonSchema {
  switch (field.fieldKind) {
    case 'scalar':
      return scalar(field.scalar);
    case 'enum':
      return enumeration(field.enum.values);
    case 'message':
      return reference(field.message);
    case 'map': {
      const values =
        field.mapKind === 'message'
          ? reference(field.message)
          : field.mapKind === 'enum'
            ? enumeration(field.enum.values)
            : scalar(field.scalar);
      return { type: 'object', additionalProperties: values };
    }
    case 'list': {
      const items =
        field.listKind === 'message'
          ? reference(field.message)
          : field.listKind === 'enum'
            ? enumeration(field.enum.values)
            : scalar(field.scalar);
      return { type: 'array', items };
    }
  }
}

function enumeration(values: readonly { readonly name: string }[]): JsonSchema {
  return { type: 'string', enum: values.map(({ name }) => name) };
}

function scalar(type: ScalarType): JsonSchema {
  switch (type) {
    case ScalarType.STRING:
      return { type: 'string' };
    case ScalarType.BOOL:
      return { type: 'boolean' };
    case ScalarType.BYTES:
      return { type: 'string', contentEncoding: 'base64' };
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return { type: 'string', pattern: '^-?[0-9]+$' };
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return { type: 'number' };
    default:
      return { type: 'integer' };
  }
}

/** Nothing may stand beside a `$ref`: its description is that of what it names. */
function described(schema: JsonSchema, description: string): JsonSchema {
  return description === '' || '$ref' in schema ? schema : { description, ...schema };
}
