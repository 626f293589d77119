import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { CreateSiteSchema, SiteViewSchema } from '#libs/contracts/index.js';
import { InvalidRequest, parseBody, replyJson } from './json.js';

describe('request bodies', () => {
  it('are parsed as the JSON of their message', () => {
    const filters = [{ include: false, pattern: '*.map' }];
    const command = parseBody(CreateSiteSchema, { site: 'www', staging: '/srv', filters });
    expect(command).toMatchObject({ site: 'www', staging: '/srv', filters });
  });

  it.each([
    ['an unknown field', { site: 'www', stagging: '/srv' }, 'stagging'],
    ['a wrong type', { site: 7 }, 'site'],
    ['a list', [], 'CreateSite'],
    ['text', 'www', 'CreateSite'],
  ])('are refused for %s, naming it', (_, body, named) => {
    const parse = () => parseBody(CreateSiteSchema, body);
    expect(parse).toThrow(InvalidRequest);
    expect(parse).toThrow(named);
  });
});

describe('replies', () => {
  it('have every field, also when it is empty; sequences are decimal strings', () => {
    const site = create(SiteViewSchema, { name: 'www', liveSequence: 9_007_199_254_740_993n });
    expect(replyJson(SiteViewSchema, site)).toEqual({
      name: 'www',
      staging: '',
      filters: [],
      liveSequence: '9007199254740993',
      liveTreeDigest: '',
      createdAt: '',
    });
  });
});
