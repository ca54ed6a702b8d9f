/** Where one director keeps what it needs: several can run on one host, each under a name of its own. */

import { BeelineError } from './error.js';

export interface Instance {
  readonly name: string;
  readonly socketPath: string;
  readonly lockPath: string;
  /** What earlier configurations were, as far as flows depend on it. */
  readonly historyPath: string;
  /** Real servers on their way out. */
  readonly drainsPath: string;
  /** Baselines of statistics. */
  readonly baselinesPath: string;
  /** What was changed at run time: it is to outlive a boot. */
  readonly statePath: string;
  /** The last changes made at run time that a configuration file replaced: a configuration. */
  readonly droppedPath: string;
  /** In the BPF file system. */
  readonly pinDirectory: string;
}

/** Where packages and the systemd unit put the configuration file. */
export const DEFAULT_CONFIG_PATH = '/etc/beeline/beeline.yaml';

export const DEFAULT_INSTANCE = 'default';

/** BPF file systems refuse dots in names. */
const NAME = /^[A-Za-z0-9_-]{1,32}$/;

/** @throws BeelineError `USAGE` for a name that cannot be a file's */
export function instanceOf(name: string): Instance {
  if (!NAME.test(name)) {
    throw new BeelineError('USAGE', `"${name}" cannot be the name of an instance`, {
      hint: 'Use 1 to 32 letters, digits, dashes and underscores.',
    });
  }
  return {
    name,
    socketPath: `/run/beeline/${name}.sock`,
    lockPath: `/run/beeline/${name}.lock`,
    historyPath: `/run/beeline/${name}.history`,
    drainsPath: `/run/beeline/${name}.drains`,
    // The name that older daemons gave it.
    baselinesPath: `/run/beeline/${name}.tallies`,
    statePath: `/var/lib/beeline/${name}.state`,
    droppedPath: `/var/lib/beeline/${name}.dropped.yaml`,
    pinDirectory: `/sys/fs/bpf/beeline/${name}`,
  };
}
