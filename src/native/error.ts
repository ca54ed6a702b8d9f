/** The error that every call into the addon throws when the kernel or libbpf refuses. */

import { addon, type NativeErrorDetails } from './addon.js';
import { summarizeVerifierLog } from './verifier-log.js';

/**
 * A refused call. `code` is errno's name (`ENOENT`, `EPERM`, …) or `CLOSED` for a handle that was closed; callers
 * match the code, never the message.
 */
export class KernelError extends Error {
  override readonly name = 'KernelError';
  /** errno's name, or `CLOSED`. */
  readonly code: string;
  /** The positive errno; 0 when the kernel was not asked. */
  readonly errno: number;
  /** The libbpf function or system call that failed. */
  readonly call: string;
  /** What it was about: an object's, map's or program's name, a path, an interface. */
  readonly object: string;
  /** The whole log of the verifier or of libbpf; empty when there is none. The message has its summary. */
  readonly log: string;

  constructor(details: NativeErrorDetails) {
    const summary = summarizeVerifierLog(details.log);
    super(
      `${details.call}: ${details.object}: ${details.message} (${details.code})` +
        (summary === '' ? '' : `: ${summary}`),
    );
    this.code = details.code;
    this.errno = details.errno;
    this.call = details.call;
    this.object = details.object;
    this.log = details.log;
  }
}

addon.setErrorFactory((details) => new KernelError(details));
