/** Offloads: what network cards do to frames before XDP programs see them, by the names that ethtool -K has for it. */

import { ethtoolValue, KernelError } from '../native/index.js';

/** ETH_FLAG_… (linux/ethtool.h). */
const FLAGS = { txvlan: 1 << 7, rxvlan: 1 << 8, lro: 1 << 15 } as const;
const ETHTOOL_GFLAGS = 0x25;
const ETHTOOL_SFLAGS = 0x26;
/** The commands that get and set one offload. */
const COMMANDS = {
  tx: { get: 0x16, set: 0x17 },
  tso: { get: 0x1e, set: 0x1f },
  gro: { get: 0x2b, set: 0x2c },
} as const;

/**
 * rxvlan, txvlan: VLAN tags travel beside the frame, not in it. lro, gro: what arrives is merged. tso: what is sent may be
 * merged. tx: checksums may be unfinished.
 */
export type Offload = keyof typeof FLAGS | keyof typeof COMMANDS;

/**
 * Returns whether an offload of an interface is on. Drivers without it do not have it on.
 *
 * @param namespace path of the interface's network namespace, if it is another one
 * @throws KernelError `ENODEV` when there is no such interface; `EPERM` if the namespace may not be entered
 */
export function isOffloadOn(name: string, offload: Offload, namespace?: string): boolean {
  try {
    return offload in FLAGS
      ? (ethtoolValue(name, ETHTOOL_GFLAGS, undefined, namespace) & FLAGS[offload as keyof typeof FLAGS]) !== 0
      : ethtoolValue(name, COMMANDS[offload as keyof typeof COMMANDS].get, undefined, namespace) !== 0;
  } catch (error) {
    if (error instanceof KernelError && error.code === 'EOPNOTSUPP') {
      return false;
    }
    throw error;
  }
}

/**
 * Switches an offload of an interface off, and returns whether it is off.
 *
 * @throws KernelError when the driver refuses, `EPERM` without CAP_NET_ADMIN
 */
export function switchOffloadOff(name: string, offload: Offload): boolean {
  if (offload in FLAGS) {
    const flags = ethtoolValue(name, ETHTOOL_GFLAGS);
    ethtoolValue(name, ETHTOOL_SFLAGS, flags & ~FLAGS[offload as keyof typeof FLAGS]);
  } else {
    ethtoolValue(name, COMMANDS[offload as keyof typeof COMMANDS].set, 0);
  }
  return !isOffloadOn(name, offload);
}
