/** The state of a director as a file: written so that it is there whole or not at all, and known for what it is. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

import type { Model } from '../../model/index.js';

/** What tells one content of the configuration file from another. */
export interface Origin {
  /** SHA-256 of its bytes. */
  readonly text: string;
  /** SHA-256 of what it says: another when more than comments and spaces changed. */
  readonly meaning: string;
}

export interface Snapshot {
  /** The configuration file that the changes began from. */
  readonly origin: Origin;
  /** How many changes there were since. */
  readonly changes: number;
  /** When the first of them was made, ISO 8601. */
  readonly since: string;
  readonly model: Model;
}

/** Raised with every change that older programs would misunderstand. */
const VERSION = 1;
const TITLE = `beeline-state ${VERSION}`;

/** A line with a checksum, and JSON. */
export function encodeSnapshot(snapshot: Snapshot): Buffer {
  const body = `${JSON.stringify(snapshot)}\n`;
  return Buffer.from(`${TITLE} ${checksum(body)}\n${body}`);
}

/** @throws Error where a single bit is not as it was written */
export function decodeSnapshot(bytes: Buffer): Snapshot {
  const end = bytes.indexOf('\n');
  const [title, version, sum] = bytes.subarray(0, Math.max(0, end)).toString('latin1').split(' ');
  if (end < 0 || title !== 'beeline-state') {
    throw new Error('it is no state, or its beginning is missing');
  }
  if (version !== String(VERSION)) {
    throw new Error(`it is of version ${version ?? '?'}, and this program reads version ${VERSION}`);
  }
  const body = bytes.subarray(end + 1);
  if (sum !== checksum(body)) {
    throw new Error('it was damaged or cut off');
  }
  return JSON.parse(body.toString('utf8')) as Snapshot;
}

function checksum(body: string | Buffer): string {
  // With the title, so that a version is not taken for another.
  return createHash('sha256').update(`${TITLE}\n`).update(body).digest('hex');
}

export interface Loaded {
  /** Undefined: there is none, or none that can be used. */
  readonly snapshot?: Snapshot;
  /** What is wrong, in words; a snapshot that is there nevertheless is the one before. */
  readonly troubles: readonly string[];
}

/**
 * Keeps the last snapshot and the one before it. At every moment the path leads to a whole snapshot, once there is one.
 * Calls must not overlap.
 */
export class SnapshotFile {
  readonly #path: string;
  /** Whether what stands at the path may become the one before: what is damaged must not replace it. */
  #isWhole = false;

  constructor(path: string) {
    this.#path = path;
  }

  get #previous(): string {
    return `${this.#path}.previous`;
  }

  load(): Loaded {
    const troubles: string[] = [];
    for (const path of [this.#path, this.#previous]) {
      try {
        const snapshot = decodeSnapshot(readFileSync(path));
        this.#isWhole = path === this.#path;
        if (path === this.#previous && troubles.length === 0) {
          troubles.push(`${this.#path} is missing`);
        }
        return { snapshot, troubles };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
          troubles.push(`${path} cannot be used: ${(error as Error).message}`);
        }
      }
    }
    return { troubles };
  }

  /** Resolves when the snapshot would be found after a loss of power. */
  async save(snapshot: Snapshot): Promise<void> {
    const next = `${this.#path}.new`;
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    await writeDurably(next, encodeSnapshot(snapshot));
    if (this.#isWhole) {
      // By a link, since between two renames there would be no snapshot at the path.
      const spare = `${this.#previous}.new`;
      await rm(spare, { force: true });
      await link(this.#path, spare);
      await rename(spare, this.#previous);
    }
    await rename(next, this.#path);
    await syncDirectory(dirname(this.#path));
    this.#isWhole = true;
  }

  /** There is nothing more to be kept. The one before goes first: it must never be all that is there. */
  async remove(): Promise<void> {
    await rm(this.#previous, { force: true });
    await rm(this.#path, { force: true });
    this.#isWhole = false;
    await syncDirectory(dirname(this.#path)).catch(ignoreMissing);
  }
}

export async function writeDurably(path: string, content: string | Uint8Array): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(content);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** What was renamed or removed in a directory is so also after a loss of power. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
    throw error;
  }
}
