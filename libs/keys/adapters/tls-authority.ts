import 'reflect-metadata';
import { createPrivateKey, createPublicKey, randomBytes, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import type { TlsAuthority } from '../key-provider.js';

cryptoProvider.set(webcrypto as never);

const dayMs = 24 * 3_600_000;
const authorityLifeMs = 3_650 * dayMs;
/** Agents ask for new ones every minute (leaders) or hour: a stolen key does not live long. */
export const certificateLifeMs = 3 * dayMs;
/** For hosts whose clocks are behind. */
const backdatedMs = 3_600_000;
const ed25519 = { name: 'Ed25519' };
const authorityName = 'CN=Espalier control plane';

/** The certificate, PEM, by which others know an authority's key (PKCS#8 PEM, Ed25519). */
export async function makeAuthority(keyPem: string, nowMs: number): Promise<string> {
  const keys = await pairOf(keyPem);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    keys,
    name: authorityName,
    serialNumber: serialNumber(),
    notBefore: new Date(nowMs - backdatedMs),
    notAfter: new Date(nowMs + authorityLifeMs),
    signingAlgorithm: ed25519,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
    ],
  });
  return certificate.toString('pem');
}

export function tlsAuthority(keyPem: string, certificatesPem: string): TlsAuthority {
  const certificates = certificatesPem.match(/-----BEGIN[\s\S]+?END CERTIFICATE-----/g) ?? [];
  return {
    certificates,
    async issue(publicKey, uri, nowMs) {
      const certificate = await X509CertificateGenerator.create({
        publicKey: await importPublic(Buffer.from(publicKey)),
        signingKey: (await pairOf(keyPem)).privateKey,
        signingAlgorithm: ed25519,
        issuer: new X509Certificate(certificates[0] ?? '').subject,
        subject: 'O=Espalier',
        serialNumber: serialNumber(),
        notBefore: new Date(nowMs - backdatedMs),
        notAfter: new Date(nowMs + certificateLifeMs),
        extensions: [
          new BasicConstraintsExtension(false, undefined, true),
          new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
          new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
          new SubjectAlternativeNameExtension([{ type: 'url', value: uri }]),
        ],
      });
      return certificate.toString('pem');
    },
  };
}

function importPublic(spki: Buffer): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey('spki', spki, ed25519, true, ['verify']);
}

async function pairOf(keyPem: string): Promise<webcrypto.CryptoKeyPair> {
  const privateKey = createPrivateKey(keyPem);
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return {
    privateKey: await webcrypto.subtle.importKey('pkcs8', pkcs8, ed25519, false, ['sign']),
    publicKey: await importPublic(spki),
  };
}

/** Positive, 127 bits (RFC 5280 wants at most 20 octets). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}
