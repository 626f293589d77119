import { create } from '@bufbuild/protobuf';
import { expect, test } from '@jest/globals';
import { SitePolicySchema } from '#libs/contracts/index.js';
import { hooksFor } from './run.js';

test('hooks come with what is built, each once, and not with what is on disk', () => {
  const policy = create(SitePolicySchema, { hooks: ['drain', 'reload', 'drain'] });
  expect(hooksFor({ policy }, 'old', 'new')).toEqual(['drain', 'reload']);
  expect(hooksFor({ policy }, '', 'new')).toEqual(['drain', 'reload']);
  expect(hooksFor({ policy }, 'new', 'new')).toEqual([]);
  expect(hooksFor({ policy: undefined }, 'old', 'new')).toEqual([]);
});
