/** One condition of a real server: whether it holds, the evidence, and the command that mends it. Pure. */

import type { IpAddress } from '../../model/index.js';
import type { Facts } from '../../steps/index.js';
import type { VipWish, Way } from '../wish.js';

export interface Finding {
  /** Names the condition. */
  readonly check: string;
  readonly severity: 'ok' | 'note' | 'warning' | 'error';
  readonly text: string;
  /** A command, or what to do. */
  readonly mend?: string;
}

/** What a check looks at, beside the facts of a set-up. */
export interface CheckFacts extends Facts {
  /** Listening sockets, of /proc/net/tcp and tcp6: the address as hexadecimal digits, and the port. */
  readonly listeners: readonly { readonly address: string; readonly port: number }[];
  /** The same of UDP. */
  readonly udpListeners?: CheckFacts['listeners'] | undefined;
  /** Files of other programs that configure the network or sysctls, with their texts. */
  readonly configs: Readonly<Record<string, string>>;
  /** Whether the firewall could be read. */
  readonly firewallKnown: boolean;
}

/** The ports of one VIP. */
export interface VipPorts {
  /** A server must listen on these, by TCP. */
  readonly listen: readonly number[];
  /** And on these by UDP. */
  readonly listenUdp?: readonly number[] | undefined;
  /** The firewall must let these through. Undefined: every one. */
  readonly pass: readonly number[] | undefined;
}

export interface CheckWish {
  readonly vips: readonly VipWish[];
  readonly ports: readonly number[];
  /** Instead of `ports`. */
  readonly portsOf?: ReadonlyMap<IpAddress, VipPorts> | undefined;
  /** How the set-up comes back at a boot, by the record. */
  readonly persist: Way | undefined;
  /** Why nothing reads those files, if so. */
  readonly unread?: string | undefined;
  /** The files that the record says Beeline wrote, as it wrote them. */
  readonly files: readonly { readonly path: string; readonly text: string }[];
}

export const ok = (check: string, text: string): Finding => ({ check, severity: 'ok', text });
export const note = (check: string, text: string): Finding => ({ check, severity: 'note', text });
export const warning = (check: string, text: string, mend?: string): Finding => ({
  check,
  severity: 'warning',
  text,
  ...(mend !== undefined && { mend }),
});
export const error = (check: string, text: string, mend?: string): Finding => ({
  check,
  severity: 'error',
  text,
  ...(mend !== undefined && { mend }),
});

/** The interfaces that could answer for a VIP. */
export function networkDevices({ links }: Facts): string[] {
  return links.filter(({ up, arp }) => up && arp).map(({ device }) => device);
}

/** The value that holds for an interface: the kernel takes the larger of its own and that of all. */
export function effective({ sysctls }: Facts, device: string, name: string): number {
  const of = (interfaceName: string): number => Number(sysctls[`net/ipv4/conf/${interfaceName}/${name}`] ?? 0);
  return Math.max(of('all'), of(device));
}

/** The command that sets these VIPs up, by the method that they have. */
export function setupCommand(vips: readonly VipWish[], persist?: Way | 'auto'): string {
  const [{ method, ports } = { method: 'sysctl', ports: [] }] = vips;
  return [
    'beeline realserver setup --vip',
    ...vips.map(({ vip }) => vip),
    ...(method === 'sysctl' ? [] : ['--method', method]),
    ...(method === 'redirect' && ports.length > 0 ? ['--port', ...ports] : []),
    ...(persist === undefined ? [] : ['--persist', persist]),
  ].join(' ');
}
