/** Errors on their way through a reply. */

import { BeelineError } from '../model/index.js';
import type { ReplyError } from './protocol.js';

/** Describes an error for a reply. */
export function replyErrorOf({ code, message, hint }: BeelineError): ReplyError {
  return { code, message, ...(hint !== undefined && { hint }) };
}

/** Returns the error that the daemon described. */
export function errorOf({ code, message, hint }: ReplyError): BeelineError {
  return new BeelineError(code, message, hint === undefined ? {} : { hint });
}
