/** The error that calls of the addon throw when the kernel or libbpf refuses. */

import { addon, type NativeErrorDetails } from './addon.js';
import { summarizeVerifierLog } from './verifier-log.js';

/**
 * A call that the kernel or libbpf refused. `code` is errno's name (`ENOENT`, `EPERM`, …), or `CLOSED` for a handle that was
 * closed. Callers match the code, never the message.
 */
export class KernelError extends Error {
  override readonly name = 'KernelError';
  /** errno's name, or `CLOSED`. */
  readonly code: string;
  /** The positive errno; 0 if no system call was made. */
  readonly errno: number;
  /** The libbpf function or system call that failed. */
  readonly call: string;
  /** The object of the call: the name of an object, map or program, a path, an interface. */
  readonly object: string;
  /** The whole log of the verifier or libbpf, if any. The message contains its summary. */
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
