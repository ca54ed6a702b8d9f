/** The loop that makes checks: jobs are defined once and started many times, and results come in batches. */

import { type IpAddress, ipBytes } from '../../model/index.js';
import type { Mapping } from '../../libbpf/index.js';
import { addon, type NativeCheckLoop } from '../../native/index.js';
import { type CheckJob, nativeJob, nativeRule, type Step } from './job.js';
import { DEFAULT_FIRST_PORT, DEFAULT_PORTS } from './local-ports.js';
import { type CheckResult, readResults } from './result.js';

export interface CheckLoopOptions {
  /** Called with the results of one turn of the event loop, in the order in which the checks ended. */
  readonly onResults: (results: CheckResult[]) => void;
  /** The table of check.bpf.o, with an entry for each port. Without it no check can go to a VIP. */
  readonly table?: Mapping;
  readonly firstPort?: number;
  readonly ports?: number;
  /** Checks that may be in the air or wait for their turn, 1 to 32,768. Default: as many as there are ports. */
  readonly limit?: number;
}

export interface CheckLoopUsage {
  /** Checks whose socket is open, held dialogues included. */
  readonly inAir: number;
  /** Checks that are started and have no socket yet. */
  readonly waiting: number;
  readonly portsFree: number;
  readonly portsTaken: number;
  /** Ports to which a late answer may come. They are free again after two seconds. */
  readonly portsResting: number;
  /** Entries of the table that are in use. */
  readonly entries: number;
}

/**
 * Makes checks on the event loop, without blocking it: at most 64 sockets are opened in a turn. It keeps the process alive until
 * `unref` is called. Methods throw KernelError `CLOSED` after `close`.
 *
 * A check ends with one result, also if it could not be made. Sockets end by a reset, so no TIME_WAIT holds a port.
 */
export class CheckLoop implements Disposable {
  readonly #native: NativeCheckLoop;

  /** @throws RangeError for ports or a limit out of bounds */
  constructor({ onResults, table, firstPort, ports, limit }: CheckLoopOptions) {
    const count = ports ?? DEFAULT_PORTS;
    this.#native = new addon.CheckLoop(
      {
        ...(table && { table: table.native }),
        firstPort: firstPort ?? DEFAULT_FIRST_PORT,
        ports: count,
        limit: limit ?? count,
      },
      (fields, bytes) => {
        onResults(readResults(fields, bytes));
      },
    );
  }

  /**
   * Defines a job and returns its number.
   *
   * @throws RangeError for what cannot be; KernelError `EOPNOTSUPP` for a VIP without a table
   */
  define(job: CheckJob): number {
    return this.#native.define(nativeJob(job));
  }

  /** Removes a job. Results of its checks in the air still come, and only then another job gets its number. */
  undefine(job: number): void {
    this.#native.undefine(job);
  }

  /** Starts a check of each job, in this order. Results come later, never during the call. @throws RangeError for no job */
  start(jobs: Uint32Array): void {
    this.#native.start(jobs);
  }

  /**
   * Goes on with a dialogue that is held. The job's timeout goes on too.
   *
   * @returns false if the dialogue has ended: its result came, or comes
   */
  proceed(flight: number, { send, until }: Step): boolean {
    return this.#native.proceed(flight, { ...nativeRule(until), ...(send && { send }) });
  }

  /** Ends a dialogue without a further result. Returns false if it had ended. */
  end(flight: number): boolean {
    return this.#native.end(flight);
  }

  /**
   * Takes a local port for a connection that others make: `tls.connect({ host: rip, port, localAddress, localPort })` then reaches
   * the VIP on that real server from `local`. The caller gives it back by `releasePort` after the socket has closed, by a reset: with
   * TIME_WAIT the port would not be free.
   *
   * @returns undefined when no port is free
   * @throws KernelError `EOPNOTSUPP` without a table
   */
  takePort(vip: IpAddress, rip: IpAddress, local: IpAddress, protocol: 'tcp' | 'udp' = 'tcp'): number | undefined {
    const port = this.#native.takePort(ipBytes(vip), ipBytes(rip), ipBytes(local), protocol === 'tcp' ? 6 : 17);
    return port === 0 ? undefined : port;
  }

  /** @throws RangeError for a port that is not taken */
  releasePort(port: number): void {
    this.#native.releasePort(port);
  }

  /** Returns whether the real server forwards what came to it from a port that is taken: it does not have the VIP. */
  isForwarded(port: number): boolean {
    return this.#native.isForwarded(port);
  }

  /** Returns whether something came from the VIP to a port that is taken. If not, an answer is that of the RIP. */
  isAnswered(port: number): boolean {
    return this.#native.isAnswered(port);
  }

  /** Reads the whole table: for tests and people. */
  get usage(): CheckLoopUsage {
    return this.#native.usage();
  }

  ref(): void {
    this.#native.setReferenced(true);
  }

  unref(): void {
    this.#native.setReferenced(false);
  }

  /** Ends all checks without results. */
  close(): void {
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
