/** What the doctor's own packets have, by which their answers are known; the ports are kept while it looks. */

import { randomInt } from 'node:crypto';

import { KernelError, QuietPort } from '../../native/index.js';
import type { Marks } from './filter.js';

/** Ports that SYNs come from: so many real servers may be one host, and still tell connections apart. */
const PORTS = 16;
/** Below the ports of Linux's own connections (32768), so that no health check has one of them. */
const FIRST_PORT = { from: 2_000, to: 32_768 - PORTS } as const;
const MOST_TRIES = 50;

/**
 * Marks at random: another doctor may be at work at the same time. The kernel knows nothing of the SYNs, and would answer each
 * SYN-ACK of a VIP with a reset of its own. To a standby the VIP is the master's, which that reset would reach as a packet of
 * another director's: it warns of those (FROM_DIRECTOR).
 */
export class KeptMarks implements Marks, Disposable {
  readonly echoId = randomInt(1, 1 << 16);
  readonly firstPort: number;
  readonly ports = PORTS;
  readonly #kept: readonly QuietPort[];

  /** @throws KernelError `EMFILE` if too many files are open */
  constructor() {
    for (let tries = 1; ; tries += 1) {
      const firstPort = randomInt(FIRST_PORT.from, FIRST_PORT.to);
      const kept = keep(firstPort, tries === MOST_TRIES);
      if (kept !== undefined) {
        this.firstPort = firstPort;
        this.#kept = kept;
        return;
      }
    }
  }

  close(): void {
    this.#kept.forEach((each) => {
      each.close();
    });
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Returns undefined if a program has one of the ports. @param isLast then it throws */
function keep(firstPort: number, isLast: boolean): QuietPort[] | undefined {
  const kept: QuietPort[] = [];
  try {
    for (let i = 0; i < PORTS; i += 1) {
      kept.push(new QuietPort(firstPort + i));
    }
    return kept;
  } catch (error) {
    kept.forEach((each) => {
      each.close();
    });
    if (isLast || !(error instanceof KernelError) || error.code !== 'EADDRINUSE') {
      throw error;
    }
    return undefined;
  }
}
