/** Files that bring steps back at a boot, and those for addresses of lo in the language of what configures the network. Pure. */

import { type Author, markedFile } from './marker.js';
import { type AddressStep, cidr, type FileStep } from './step.js';

/** What configures the network of a host, and can have addresses. */
export const ADDRESS_WAYS = ['systemd-networkd', 'netplan', 'ifupdown', 'networkmanager'] as const;
export type AddressWay = (typeof ADDRESS_WAYS)[number];

/** Returns the step that writes a file with the mark of the command that does. */
export function bootFile(author: Author, path: string, text: string, why: string, mode = 0o644): FileStep {
  return { kind: 'file', id: `file ${path}`, path, text: markedFile(author, text), mode, why };
}

/** Returns the file by which lo has addresses at each boot. @param name of the file, without what its reader wants */
export function loAddressFile(
  author: Author,
  way: AddressWay,
  name: string,
  addresses: readonly AddressStep[],
): FileStep {
  const { path, text, mode } = LO_FILES[way](name, addresses);
  return bootFile(author, path, text, 'the VIPs are on lo at each boot', mode);
}

interface Text {
  readonly path: string;
  readonly text: string;
  readonly mode?: number;
}

const LO_FILES: Readonly<Record<AddressWay, (name: string, addresses: readonly AddressStep[]) => Text>> = {
  'systemd-networkd': (name, addresses) => {
    const parts = addresses.map(
      (step) => `\n[Address]\nAddress=${cidr(step)}\n${step.prefix === 128 ? 'DuplicateAddressDetection=none\n' : ''}`,
    );
    return { path: `/etc/systemd/network/10-${name}.network`, text: `[Match]\nName=lo\n${parts.join('')}` };
  },
  netplan: (name, addresses) => {
    const lines = addresses.map((step) => `        - "${cidr(step)}"\n`);
    const head = 'network:\n  version: 2\n  ethernets:\n    lo:\n      match:\n        name: lo\n      addresses:\n';
    return { path: `/etc/netplan/90-${name}.yaml`, text: head + lines.join(''), mode: 0o600 };
  },
  ifupdown: (name, addresses) => {
    const parts = addresses.map(
      (step) =>
        `iface lo ${step.prefix === 32 ? 'inet' : 'inet6'} static\n    address ${cidr(step)}\n${step.prefix === 128 ? '    dad-attempts 0\n' : ''}`,
    );
    return { path: `/etc/network/interfaces.d/${name}`, text: `auto lo\n${parts.join('')}` };
  },
  networkmanager: (name, addresses) => {
    const of = (prefix: number, own: string): string =>
      [own, ...addresses.filter((step) => step.prefix === prefix).map(cidr)]
        .map((each, i) => `address${i + 1}=${each}\n`)
        .join('');
    const text =
      `[connection]\nid=${name}\ntype=loopback\ninterface-name=lo\n\n[loopback]\n\n` +
      `[ipv4]\nmethod=manual\n${of(32, '127.0.0.1/8')}\n[ipv6]\nmethod=manual\n${of(128, '::1/128')}`;
    return { path: `/etc/NetworkManager/system-connections/${name}.nmconnection`, text, mode: 0o600 };
  },
};
