/** Reads the files by which programs configure the network of this host. */

import type { MachineToLookAt } from './host.js';

export const NETWORK_FOLDERS = [
  '/etc/sysctl.d',
  '/etc/netplan',
  '/etc/network/interfaces.d',
  '/etc/systemd/network',
  '/etc/NetworkManager/system-connections',
  '/etc/sysconfig/network-scripts',
  '/etc/cloud/cloud.cfg.d',
];
export const NETWORK_FILES = ['/etc/sysctl.conf', '/etc/network/interfaces'];

/** Returns the files that configure the network, with their texts; those that may not be read are missing. */
export function networkFiles(host: MachineToLookAt): Record<string, string> {
  const paths = [
    ...NETWORK_FILES,
    ...NETWORK_FOLDERS.flatMap((folder) => host.names(folder).map((name) => `${folder}/${name}`)),
  ];
  return Object.fromEntries(
    paths.flatMap((path) => {
      const text = host.readText(path);
      return text === undefined ? [] : [[path, text] as const];
    }),
  );
}
