/** The files that bring VIPs back at a boot: each adds to what its reader has of the interface, and replaces nothing. Pure. */

import {
  type AddressStep,
  type AddressWay,
  bootFile,
  cidr,
  deviceOf,
  type FileStep,
  loAddressFile,
} from '../../steps/index.js';
import { AUTHOR } from './author.js';
import type { Place, VipWish } from './wish.js';

/** A VIP and the step that adds it. */
interface Planned {
  readonly wish: VipWish;
  readonly step: AddressStep;
}

const NAME = 'beeline-vip';
const WHY = 'the VIPs are there at each boot';

/** Returns the steps that write files, for VIPs that come back. */
export function bootFiles(planned: readonly Planned[]): FileStep[] {
  return (['systemd-networkd', 'netplan', 'ifupdown', 'networkmanager'] as const).flatMap((way) => {
    const placed = planned.filter(({ wish }) => wish.place?.way === way);
    return placed.length === 0 ? [] : FILES[way](placed);
  });
}

const FILES: Readonly<Record<AddressWay, (planned: readonly Planned[]) => FileStep[]>> = {
  'systemd-networkd': (planned) =>
    groups(planned, ({ wish }) => (wish.place as Place & { way: 'systemd-networkd' }).network ?? '').map(
      ([network, some]) => {
        const steps = some.map(({ step }) => step);
        if (network === '') {
          return loAddressFile(AUTHOR, 'systemd-networkd', NAME, steps);
        }
        const text = steps.map((step) => `[Address]\nAddress=${cidr(step)}\n`).join('\n');
        return bootFile(AUTHOR, `/etc/systemd/network/${network}.d/${NAME}.conf`, text, WHY);
      },
    ),

  // Lists of one key in several files are joined (netplan(5)).
  netplan: (planned) => {
    const place = ({ wish }: Planned) => wish.place as Place & { way: 'netplan' };
    const sections = groups(planned, (each) => place(each).section).map(([section, some]) => {
      const ids = groups(some, (each) => place(each).id).map(([id, those]) => {
        const match = id === 'lo' ? '      match:\n        name: lo\n' : '';
        const lines = those.map(({ step }) => `        - "${cidr(step)}"\n`);
        return `    ${JSON.stringify(id)}:\n${match}      addresses:\n${lines.join('')}`;
      });
      return `  ${section}:\n${ids.join('')}`;
    });
    const text = `network:\n  version: 2\n${sections.join('')}`;
    return [bootFile(AUTHOR, `/etc/netplan/90-${NAME}.yaml`, text, WHY, 0o600)];
  },

  // A second stanza of an interface adds to the first; "auto" stays what the interface's own file says.
  ifupdown: (planned) => {
    const parts = planned.map(
      ({ step }) =>
        `iface ${deviceOf(step)} ${step.prefix === 32 ? 'inet' : 'inet6'} static\n    address ${cidr(step)}\n`,
    );
    return [bootFile(AUTHOR, `/etc/network/interfaces.d/${NAME}`, parts.join(''), WHY)];
  },

  // A profile has no other file that adds to it, so that a script adds the VIPs when the interface comes up.
  networkmanager: (planned) => {
    const onLo = planned.filter(({ step }) => deviceOf(step) === 'lo').map(({ step }) => step);
    const others = planned.filter(({ step }) => deviceOf(step) !== 'lo');
    return [
      ...(onLo.length > 0 ? [loAddressFile(AUTHOR, 'networkmanager', NAME, onLo)] : []),
      ...(others.length > 0 ? [dispatcher(others)] : []),
    ];
  },
};

/** NetworkManager calls it with the interface and what happened to it (NetworkManager-dispatcher(8)). */
function dispatcher(planned: readonly Planned[]): FileStep {
  const cases = groups(planned, ({ step }) => deviceOf(step)).map(([device, some]) => {
    const lines = some.map(
      ({ step }) =>
        `    ip address replace ${cidr(step)} dev '${device}'${step.prefix === 128 ? ' nodad' : ''} || failed=1\n`,
    );
    return `  '${device}')\n${lines.join('')}    ;;\n`;
  });
  const text =
    `#!/bin/sh\n[ "$2" = up ] || exit 0\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\nfailed=0\n` +
    `case $1 in\n${cases.join('')}esac\nexit "$failed"\n`;
  const path = `/etc/NetworkManager/dispatcher.d/90-${NAME}`;
  return bootFile(AUTHOR, path, text, 'the VIPs are added whenever NetworkManager brings the interface up', 0o755);
}

function groups<Each>(all: readonly Each[], keyOf: (each: Each) => string): [string, Each[]][] {
  const found = new Map<string, Each[]>();
  for (const each of all) {
    found.set(keyOf(each), [...(found.get(keyOf(each)) ?? []), each]);
  }
  return [...found];
}
