import type { SigningKey } from './ed25519.js';

/*
 * What nats-server takes from whoever decides about its connections (JWT of NATS, version 2; keys
 * in the form of nkeys: https://docs.nats.io/running-a-nats-service/configuration/securing_nats).
 */

/** The first byte of an account's key, so that its text begins with `A`. */
const accountPrefix = 0;
const pointBytes = 32;
const base32Digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const jwtHeader = encoded({ typ: 'JWT', alg: 'ed25519-nkey' });

/** An Ed25519 key (SPKI DER) as the key of a NATS account: prefix, point, CRC-16, in base32. */
export function accountNkey(publicKey: Uint8Array): string {
  const named = Buffer.from([accountPrefix, ...publicKey.subarray(-pointBytes)]);
  const sum = crc16(named);
  return base32(Buffer.concat([named, Buffer.from([sum & 0xff, sum >> 8])]));
}

/** Claims about `subject`, signed by an account's key. */
export function natsJwt(
  issuer: SigningKey,
  nowMs: number,
  claims: { readonly sub: string; readonly aud: string; readonly nats: object },
): string {
  const issuedAtS = Math.floor(nowMs / 1_000);
  const named = { jti: claims.sub, iat: issuedAtS, iss: accountNkey(issuer.publicKey) };
  const signed = `${jwtHeader}.${encoded({ ...named, ...claims })}`;
  const signature = issuer.sign(Buffer.from(signed));
  return `${signed}.${Buffer.from(signature).toString('base64url')}`;
}

/** What a JWT says, whoever signed it. @throws SyntaxError */
export function claimsIn(jwt: string): unknown {
  return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString());
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** CRC-16/XMODEM: polynomial 0x1021, from 0. */
function crc16(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) {
    sum ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) sum = sum & 0x8000 ? (sum << 1) ^ 0x1021 : sum << 1;
    sum &= 0xffff;
  }
  return sum;
}

/** RFC 4648 without padding. */
function base32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const groups = bits.match(/.{1,5}/g) ?? [];
  return groups.map((group) => base32Digits[Number.parseInt(group.padEnd(5, '0'), 2)]).join('');
}
