/** The files that bring addresses back at a boot: each adds to what its reader has of the interface, and replaces nothing. Pure. */

import { ADDRESS_WAYS, type AddressWay, bootFile, type FILE_NAMES, netplanFile, ownNetworkFile } from './boot-file.js';
import type { Author } from './marker.js';
import type { Place } from './place.js';
import { addressOptions, type AddressStep, cidr, deviceOf, type FileStep, isNoSource } from './step.js';

/** An address that comes back, and where. */
interface Planned {
  readonly place?: Place | undefined;
  readonly step: AddressStep;
}

/** Whose files they are, and how they are named. */
export interface FileOwner extends Author {
  readonly fileName: (typeof FILE_NAMES)[number];
}

const WHY = 'the VIPs are there at each boot';

/** Returns the steps that write files, for addresses that have a place. */
export function addressFiles(owner: FileOwner, planned: readonly Planned[]): FileStep[] {
  return ADDRESS_WAYS.flatMap((way) => {
    const placed = planned.filter(({ place }) => place?.way === way);
    return placed.length === 0 ? [] : FILES[way](owner, placed);
  });
}

const FILES: Readonly<Record<AddressWay, (owner: FileOwner, planned: readonly Planned[]) => FileStep[]>> = {
  // Duplicates on lo: there are none, and systemd-networkd would ask all the same.
  'systemd-networkd': (owner, planned) =>
    groups(planned, ({ place }) => (place as Place & { way: 'systemd-networkd' }).network ?? '').map(
      ([network, some]) => {
        const addresses = some.map(
          ({ step }) =>
            `[Address]\nAddress=${cidr(step)}\n` +
            (isNoSource(step) ? 'PreferredLifetime=0\n' : '') +
            (step.prefix === 128 && deviceOf(step) === 'lo' ? 'DuplicateAddressDetection=none\n' : ''),
        );
        const own = network === '' ? '[Match]\nName=lo\n\n' : '';
        const path =
          network === ''
            ? `/etc/systemd/network/${ownNetworkFile(owner.fileName)}`
            : `/etc/systemd/network/${network}.d/${owner.fileName}.conf`;
        return bootFile(owner, path, own + addresses.join('\n'), WHY);
      },
    ),

  // Lists of one key in several files are joined (netplan(5)).
  netplan: (owner, planned) => {
    const placeOf = ({ place }: Planned) => place as Place & { way: 'netplan' };
    const sections = groups(planned, (each) => placeOf(each).section).map(([section, some]) => {
      const ids = groups(some, (each) => placeOf(each).id).map(([id, those]) => {
        const match = id === 'lo' ? '      match:\n        name: lo\n' : '';
        const lines = those.map(
          ({ step }) => `        - "${cidr(step)}"${isNoSource(step) ? ':\n            lifetime: 0' : ''}\n`,
        );
        return `    ${JSON.stringify(id)}:\n${match}      addresses:\n${lines.join('')}`;
      });
      return `  ${section}:\n${ids.join('')}`;
    });
    const text = `network:\n  version: 2\n${sections.join('')}`;
    return [bootFile(owner, `/etc/netplan/${netplanFile(owner.fileName)}`, text, WHY, 0o600)];
  },

  // A second stanza of an interface adds to the first; "auto" stays what the interface's own file says, but for lo.
  ifupdown: (owner, planned) => {
    const parts = planned.map(
      ({ step }) =>
        `iface ${deviceOf(step)} ${step.prefix === 32 ? 'inet' : 'inet6'} static\n    address ${cidr(step)}\n` +
        (isNoSource(step) ? '    preferred-lifetime 0\n' : '') +
        (step.prefix === 128 && deviceOf(step) === 'lo' ? '    dad-attempts 0\n' : ''),
    );
    const auto = planned.some(({ step }) => deviceOf(step) === 'lo') ? 'auto lo\n' : '';
    return [bootFile(owner, `/etc/network/interfaces.d/${owner.fileName}`, auto + parts.join(''), WHY)];
  },

  // A profile has no other file that adds to it, so that a script adds the VIPs when the interface comes up.
  networkmanager: (owner, planned) => {
    const onLo = planned.filter(({ step }) => deviceOf(step) === 'lo').map(({ step }) => step);
    const others = planned.filter(({ step }) => deviceOf(step) !== 'lo');
    return [
      ...(onLo.length > 0 ? [loProfile(owner, onLo)] : []),
      ...(others.length > 0 ? [dispatcher(owner, others)] : []),
    ];
  },
};

/** The profile of lo: it must have the addresses of the loopback too. */
function loProfile(owner: FileOwner, addresses: readonly AddressStep[]): FileStep {
  const name = owner.fileName;
  const of = (prefix: number, own: string): string =>
    [own, ...addresses.filter((step) => step.prefix === prefix).map(cidr)]
      .map((each, i) => `address${i + 1}=${each}\n`)
      .join('');
  const text =
    `[connection]\nid=${name}\ntype=loopback\ninterface-name=lo\n\n[loopback]\n\n` +
    `[ipv4]\nmethod=manual\n${of(32, '127.0.0.1/8')}\n[ipv6]\nmethod=manual\n${of(128, '::1/128')}`;
  return bootFile(owner, `/etc/NetworkManager/system-connections/${name}.nmconnection`, text, WHY, 0o600);
}

/**
 * NetworkManager calls it with the interface and what happened to it (NetworkManager-dispatcher(8)). "nmcli device reapply"
 * and "modify" take away addresses that the profile does not have, as the interface's going down does.
 */
function dispatcher(owner: FileOwner, planned: readonly Planned[]): FileStep {
  const cases = groups(planned, ({ step }) => deviceOf(step)).map(([device, some]) => {
    const lines = some.map(
      ({ step }) =>
        `    ip address replace ${[cidr(step), 'dev', `'${device}'`, ...addressOptions(step)].join(' ')} || failed=1\n`,
    );
    return `  '${device}')\n${lines.join('')}    ;;\n`;
  });
  const text =
    `#!/bin/sh\ncase $2 in up | reapply) ;; *) exit 0 ;; esac\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\nfailed=0\n` +
    `case $1 in\n${cases.join('')}esac\nexit "$failed"\n`;
  const path = `/etc/NetworkManager/dispatcher.d/90-${owner.fileName}`;
  return bootFile(owner, path, text, 'the VIPs are added whenever NetworkManager brings the interface up', 0o755);
}

function groups<Each>(all: readonly Each[], keyOf: (each: Each) => string): [string, Each[]][] {
  const found = new Map<string, Each[]>();
  for (const each of all) {
    found.set(keyOf(each), [...(found.get(keyOf(each)) ?? []), each]);
  }
  return [...found];
}
