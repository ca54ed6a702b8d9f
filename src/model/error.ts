/** The error for problems that a user can solve. */

/**
 * Says what went wrong and what to do about it. The code is stable, for programs; the message is for people and may
 * change.
 */
export class BeelineError extends Error {
  override readonly name = 'BeelineError';
  readonly code: ErrorCode;
  /** Says what to do about it, in a whole sentence. */
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}

/** All codes. docs/errors.md says what each means. */
export const ERROR_CODES = [
  'ALREADY_RUNNING',
  'BENCH_DEVICE',
  'BENCH_FAILED',
  'BENCH_TOO_LARGE',
  'CAPABILITY_MISSING',
  'CGROUP_MISSING',
  'CONFIG_CHANGED',
  'CONFIG_INVALID',
  'CONFIG_UNREADABLE',
  'CONFIG_UNWRITABLE',
  'CONTROL_CLOSED',
  'CONTROL_DENIED',
  'CONTROL_FRAME',
  'CONTROL_METHOD',
  'CONTROL_VERSION',
  'DESTINATION_EXISTS',
  'DESTINATION_UNKNOWN',
  'DOCTOR_FIX',
  'EDIT_REFUSED',
  'EXPLAIN_DISAGREES',
  'HAND_OVER_FILE',
  'HAND_OVER_MESSAGE',
  'HOST_CLIENTS_NO_ADDRESS',
  'HOST_CLIENTS_TAKEN',
  'HOST_FAILED',
  'HOST_FOREIGN',
  'HOST_RECORD',
  'HOST_TOOL',
  'HOST_UNWRITABLE',
  'IMPORT_INVALID',
  'INTERFACE_MISSING',
  'INTERNAL',
  'INTERRUPTED',
  'KEEPALIVED_FOREIGN',
  'KEEPALIVED_REFUSED',
  'KERNEL_TOO_OLD',
  'LAB',
  'MAP_FULL',
  'MAP_GUARDED',
  'MAP_KEY',
  'MAP_NO_ENTRY',
  'MAP_READ_ONLY',
  'MAP_REFUSED',
  'MAP_UNKNOWN',
  'MAP_UNSUPPORTED',
  'MAP_VALUE',
  'MAX_MOVED',
  'NOBODY_TOOK_OVER',
  'NOT_BUILT',
  'NOT_FOUND',
  'NOT_RUNNING',
  'OUT_OF_MEMORY',
  'OUT_OF_RANGE',
  'PEER_FAILED',
  'PINS_FOREIGN',
  'PINS_UNUSABLE',
  'PROGRAM_REFUSED',
  'REALSERVER_TAKEN',
  'SERVICE_EXISTS',
  'SERVICE_UNKNOWN',
  'TABLE_FULL',
  'USAGE',
  'VIP_OWNED',
  'VIP_TAKEN',
  'VLAN_TAGS_HIDDEN',
  'VRRP_UNSET',
  'XDP_NATIVE_REFUSED',
  'XDP_REFUSED',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/**
 * Whether the addon could not be loaded: the message says what to install. Told by the code, since commands that need no
 * addon do not load the room that has the class (src/native/load.ts).
 */
export function isAddonUnusable(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && error.code === 'ADDON_UNUSABLE';
}
