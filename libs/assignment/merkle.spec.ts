import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { leafHash, merkleRoot } from './merkle.js';

/** The tests vectors of RFC 6962 implementations: roots of the first n of these leaves. */
const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657'].map((hex) =>
  leafHash(Buffer.from(hex, 'hex')),
);
const roots = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
];

test.each(roots.map((root, count) => [count, root]))(
  'the root over %d leaves is that of RFC 6962',
  (count, root) => {
    const packed = Buffer.concat(leaves.slice(0, count as number));
    expect(merkleRoot(packed).toString('hex')).toBe(root);
  },
);

/** The definition, word by word. */
function byDefinition(hashes: Buffer[]): Buffer {
  if (hashes.length === 1) return hashes[0] as Buffer;
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  const [left, right] = [hashes.slice(0, split), hashes.slice(split)].map(byDefinition);
  return createHash('sha256')
    .update(Buffer.concat([Buffer.from([1]), left as Buffer, right as Buffer]))
    .digest();
}

test('the root is that of the recursive definition for any number of leaves', () => {
  const many = Array.from({ length: 130 }, (_, at) => leafHash(Buffer.from([at])));
  for (let count = 1; count <= many.length; count++) {
    const some = many.slice(0, count);
    expect(merkleRoot(Buffer.concat(some))).toEqual(byDefinition(some));
  }
});

test('leaves of another length are refused', () => {
  expect(() => merkleRoot(new Uint8Array(33))).toThrow(RangeError);
});
