/** What checks share of TLS: the certificates that are trusted, read once and again when their file changes. */

import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';

import { readRegularFile, statFile } from './regular-file.js';
import { Trouble } from './slow.js';

/** Debian's file of all authorities has 220 KB. */
const MOST_BYTES = 4 << 20;
/** So many files are remembered: a configuration has one or two. */
const MOST_FILES = 64;

const CERTIFICATES = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

interface Known {
  /** Changes with the file. */
  readonly stamp: string;
  readonly context: SecureContext;
}

const known = new Map<string, Known>();
/** Node's authorities take time to load: once is enough. */
let usual: SecureContext | undefined;

/**
 * Returns the context of all checks that trust the same.
 *
 * @param ca the file with what is trusted; undefined: what Node.js trusts
 * @throws Trouble if the file says nothing
 */
export async function secureContextOf(ca: string | undefined): Promise<SecureContext> {
  if (ca === undefined) {
    return (usual ??= createSecureContext());
  }
  const { mtimeMs, size, ino, dev } = await statFile(ca);
  const stamp = [mtimeMs, size, ino, dev].join(' ');
  const found = known.get(ca);
  if (found?.stamp === stamp) {
    return found.context;
  }
  const pem = await readRegularFile(ca, MOST_BYTES);
  const context = contextOf(ca, pem);
  // The one that was made first goes first.
  known.delete(ca);
  known.set(ca, { stamp, context });
  if (known.size > MOST_FILES) {
    known.delete(known.keys().next().value!);
  }
  return context;
}

/** Node passes over what it cannot read, and then nothing would be trusted. */
function contextOf(path: string, pem: Buffer): SecureContext {
  const blocks = pem.toString('latin1').match(CERTIFICATES) ?? [];
  if (blocks.length === 0) {
    throw new Trouble(`${path}: has no certificate in PEM`);
  }
  try {
    blocks.forEach((block) => new X509Certificate(block));
    return createSecureContext({ ca: blocks });
  } catch (error) {
    throw new Trouble(`${path}: has a certificate that cannot be read`, { cause: error });
  }
}
