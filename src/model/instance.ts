/** The files and pins of one director. Several can run on one host, each under its own name. */

import { BeelineError } from './error.js';

export interface Instance {
  readonly name: string;
  readonly socketPath: string;
  readonly lockPath: string;
  /** Histories of moved slots. */
  readonly historyPath: string;
  /** Timeouts that services had before. */
  readonly timeoutsPath: string;
  /** Drains, where earlier daemons kept them. */
  readonly drainsPath: string;
  /** Baselines of statistics. */
  readonly baselinesPath: string;
  /** What is known of the health of real servers. */
  readonly healthPath: string;
  /** Real servers that are disabled, which survives a boot. */
  readonly maintenancePath: string;
  /** What is known of VRRP, and whether mastership was given up by a command. */
  readonly mastershipPath: string;
  /** Whether this director may be master, for keepalived (track_file). */
  readonly forwardsPath: string;
  /** The FIFO into which keepalived writes its states. keepalived makes it. */
  readonly vrrpPath: string;
  /** What packets follow; its time of change is when the daemon was last there. */
  readonly runningPath: string;
  /** Unsaved changes and drains, which survive a boot. */
  readonly statePath: string;
  /** The last unsaved changes that a configuration file replaced, as a configuration. */
  readonly droppedPath: string;
  /** The folder in the BPF file system. */
  readonly pinDirectory: string;
}

/** Where packages and the systemd unit put the configuration file. */
export const DEFAULT_CONFIG_PATH = '/etc/beeline/beeline.yaml';

export const DEFAULT_INSTANCE = 'default';

/** BPF file systems refuse dots in names. */
const NAME = /^[A-Za-z0-9_-]{1,32}$/;

export function isInstanceName(name: string): boolean {
  return NAME.test(name);
}

/** @throws BeelineError `USAGE` if the name cannot be part of a file's name */
export function instanceOf(name: string): Instance {
  if (!isInstanceName(name)) {
    throw new BeelineError('USAGE', `"${name}" cannot be the name of an instance`, {
      hint: 'Use 1 to 32 letters, digits, dashes and underscores.',
    });
  }
  return {
    name,
    socketPath: `/run/beeline/${name}.sock`,
    lockPath: `/run/beeline/${name}.lock`,
    historyPath: `/run/beeline/${name}.history`,
    timeoutsPath: `/run/beeline/${name}.timeouts`,
    drainsPath: `/run/beeline/${name}.drains`,
    // The name that older daemons gave it.
    baselinesPath: `/run/beeline/${name}.tallies`,
    healthPath: `/run/beeline/${name}.health`,
    maintenancePath: `/var/lib/beeline/${name}.maintenance`,
    mastershipPath: `/run/beeline/${name}.mastership`,
    forwardsPath: `/run/beeline/${name}.forwards`,
    vrrpPath: `/run/beeline/${name}.vrrp`,
    runningPath: `/run/beeline/${name}.running`,
    statePath: `/var/lib/beeline/${name}.state`,
    droppedPath: `/var/lib/beeline/${name}.dropped.yaml`,
    pinDirectory: `/sys/fs/bpf/beeline/${name}`,
  };
}
