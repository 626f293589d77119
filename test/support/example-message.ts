import {
  create,
  type DescField,
  type DescMessage,
  type MessageShape,
  ScalarType,
} from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';

/** A message in which every field is set, by rule: the same schema gives the same example. */
export function exampleMessage<Schema extends DescMessage>(schema: Schema): MessageShape<Schema> {
  const message = reflect(schema, create(schema));
  fill(message, 0);
  return message.message as MessageShape<Schema>;
}

function fill(message: ReflectMessage, depth: number): void {
  for (const field of message.fields) {
    // Of a oneof, the first member stands for all.
    if (field.oneof && field.oneof.fields[0] !== field) continue;
    setField(message, field, depth);
  }
}

function setField(message: ReflectMessage, field: DescField, depth: number): void {
  switch (field.fieldKind) {
    case 'scalar':
      message.set(field, scalar(field.scalar, field));
      return;
    case 'enum':
      message.set(field, field.enum.values.at(-1)?.number ?? 0);
      return;
    case 'message': {
      const nested = reflect(field.message, create(field.message));
      fill(nested, depth + 1);
      message.set(field, nested);
      return;
    }
    case 'map':
      message.get(field).set('key', 'value');
      return;
    case 'list': {
      const list = message.get(field);
      if (field.listKind === 'scalar') list.add(scalar(field.scalar, field));
      else if (field.listKind === 'enum') list.add(field.enum.values.at(-1)?.number ?? 0);
      else {
        const nested = reflect(field.message, create(field.message));
        fill(nested, depth + 1);
        list.add(nested);
      }
    }
  }
}

function scalar(type: ScalarType, { name, number }: DescField): unknown {
  switch (type) {
    case ScalarType.STRING:
      return name.replaceAll('_', '-');
    case ScalarType.BOOL:
      return true;
    case ScalarType.BYTES:
      return Uint8Array.from({ length: 4 }, (_, index) => number * 16 + index);
    case ScalarType.UINT64:
    case ScalarType.INT64:
      return 9_007_199_254_740_993n + BigInt(number);
    default:
      return number * 1000;
  }
}
