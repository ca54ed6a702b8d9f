/** Files that bring steps back at a boot, and what reads those of addresses. Pure. */

import { type Author, markedFile } from './marker.js';
import type { FileStep } from './step.js';

/** What configures the network of a host, and can have addresses. */
export const ADDRESS_WAYS = ['systemd-networkd', 'netplan', 'ifupdown', 'networkmanager'] as const;
export type AddressWay = (typeof ADDRESS_WAYS)[number];

/** Returns the step that writes a file with the mark of the command that does. */
export function bootFile(author: Author, path: string, text: string, why: string, mode = 0o644): FileStep {
  return { kind: 'file', id: `file ${path}`, path, text: markedFile(author, text), mode, why };
}

/** How the files of each command that writes some are named, without what their reader wants of a name. */
export const FILE_NAMES = ['beeline-realserver', 'beeline-vip'] as const;

/** The name of the file of netplan. */
export function netplanFile(fileName: string): string {
  return `90-${fileName}.yaml`;
}

/** The name of the file of systemd-networkd that lo follows if nothing else configures it. */
export function ownNetworkFile(fileName: string): string {
  return `10-${fileName}.network`;
}
