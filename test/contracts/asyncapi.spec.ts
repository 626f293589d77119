import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { Ajv } from 'ajv';
import { commentsIn } from '#libs/contracts/asyncapi/comments.js';
import { asyncApiDocument } from '#libs/contracts/asyncapi/document.js';
import { type EventType, eventCatalogue, subjects, toCloudEvent } from '#libs/contracts/index.js';
import { ownerOf } from '#libs/event-log/event-owners.js';
import { exampleEvent } from '../support/example-event.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const require = createRequire(import.meta.url);
const protoDirectory = join(root, 'proto/espalier/v1');
const comments = commentsIn(
  readdirSync(protoDirectory).map((name) => readFileSync(join(protoDirectory, name), 'utf8')),
);
const document = JSON.parse(JSON.stringify(asyncApiDocument(comments, ownerOf)));
const types = Object.keys(eventCatalogue) as EventType[];
const file = join(root, 'deploy/asyncapi.json');

// `strict: false`: the official schema is draft 07 with keywords of its own.
const validator = () => {
  const ajv = new Ajv({ strict: false, allErrors: true });
  (require('ajv-formats') as (ajv: Ajv) => void)(ajv);
  return ajv;
};

const described = validator();
described.addSchema({ $id: 'https://espalier/asyncapi.json', components: document.components });

describe('the AsyncAPI document', () => {
  it('is valid AsyncAPI 3', () => {
    const schema = require('@asyncapi/specs/schemas/3.0.0-without-$id.json');
    const validate = validator().compile(schema);
    expect([validate(document), validate.errors]).toEqual([true, null]);
    const broken = { ...document, channels: { run: { messages: 'none' } } };
    expect(validate(broken)).toBe(false);
  });

  it('is the one that is kept: WRITE_ASYNCAPI=1 writes it anew', () => {
    if (process.env.WRITE_ASYNCAPI === '1') {
      writeFileSync(file, `${JSON.stringify(document, undefined, 2)}\n`);
    }
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(document);
  });

  it.each(types)('says what %s means', (type) => {
    expect(document.components.messages[type].summary).toMatch(/^[A-Z].*[.]$/);
    const { address } = document.channels[ownerOf[type]];
    const actual = subjects.aggregate({ type: ownerOf[type], id: 'x' });
    expect(actual.split('.').slice(0, 2)).toEqual(address.split('.').slice(0, 2));
  });

  it.each(types)('describes a stored %s', (type) => {
    const stored = toCloudEvent(exampleEvent(type));
    const validate = described.compile({
      $ref: `https://espalier/asyncapi.json#/components/messages/${type}/payload`,
    });
    expect([validate(stored), validate.errors]).toEqual([true, null]);
    expect(validate({ ...stored, type: 'espalier.v1.Other' })).toBe(false);
  });
});
