/** Whether an interface would answer ARP for the VIP, or name it in a request. Pure. */

import type { IpAddress } from '../../model/index.js';
import { needsArp, type VipWish } from '../wish.js';
import { type ArpAction, isRuled } from './arp-rules.js';
import {
  type CheckFacts,
  effective,
  error,
  type Finding,
  networkDevices,
  ok,
  setupCommand,
  warning,
} from './finding.js';

export function checkArp(wish: VipWish, facts: CheckFacts): Finding[] {
  if (!needsArp(wish)) {
    return [];
  }
  const devices = networkDevices(facts);
  return [...checkAnswers(wish, devices, facts), ...checkRequests(wish, devices, facts)];
}

/** The command that mends ARP: a VIP that something else put on a dummy interface is well there, and "setup" would refuse it. */
function mendFor(wish: VipWish, facts: CheckFacts): string {
  const aside = facts.links.filter(({ device, arp }) => device !== 'lo' && !arp).map(({ device }) => device);
  return facts.addresses.some(({ address, device }) => address === wish.vip && aside.includes(device))
    ? 'sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2'
    : setupCommand([wish]);
}

/** The command for interfaces whose own value is larger than that of all, which "setup" sets: the kernel takes the larger one. */
function ownValues(values: readonly { readonly device: string; readonly value: number }[], facts: CheckFacts) {
  const own = values.filter(({ device }) => Number(facts.sysctls[`net/ipv4/conf/${device}/arp_ignore`] ?? 0) > 2);
  return own.length === 0
    ? undefined
    : `sysctl -w ${own.map(({ device }) => `net.ipv4.conf.${device}.arp_ignore=1`).join(' ')}`;
}

/** The kernel's Documentation/networking/ip-sysctl.rst has the values. */
function checkAnswers(wish: VipWish, devices: readonly string[], facts: CheckFacts): Finding[] {
  const { vip } = wish;
  const open = devices.filter((device) => !isRuled(facts, device, vip, 'drop'));
  if (isAnyRuled(open, devices, vip, 'drop', facts)) {
    return [ok('arp-ignore', `ARP requests for ${vip} are dropped by a rule`)];
  }
  const values = open.map((device) => ({ device, value: effective(facts, device, 'arp_ignore') }));
  const leaks = values.filter(({ value }) => value !== 1 && value !== 2 && value !== 8);
  if (leaks.length > 0) {
    const list = leaks.map(({ device, value }) => `${device} (arp_ignore ${value})`).join(', ');
    return [
      error(
        'arp-ignore',
        `this host answers ARP for ${vip} on ${list}: clients and routers may come here past the director`,
        ownValues(leaks, facts) ?? mendFor(wish, facts),
      ),
    ];
  }
  const silent = values.filter(({ value }) => value === 8);
  if (silent.length > 0) {
    return [
      error(
        'arp-ignore',
        `arp_ignore is 8 for ${silent.map(({ device }) => device).join(', ')}: this host answers ARP for none of its addresses, so that the director does not find it`,
        ownValues(silent, facts) ?? 'sysctl -w net.ipv4.conf.all.arp_ignore=1',
      ),
    ];
  }
  const list = values.map(({ device, value }) => `${device} ${value}`).join(', ');
  return [ok('arp-ignore', `ARP requests for ${vip} are not answered: arp_ignore in force is ${list || 1}`)];
}

function checkRequests(wish: VipWish, devices: readonly string[], facts: CheckFacts): Finding[] {
  const { vip } = wish;
  const open = devices.filter((device) => !isRuled(facts, device, vip, 'mangle'));
  if (isAnyRuled(open, devices, vip, 'mangle', facts)) {
    return [ok('arp-announce', `ARP requests of this host name its own address instead of ${vip}`)];
  }
  const values = open.map((device) => ({ device, value: effective(facts, device, 'arp_announce') }));
  const list = values.map(({ device, value }) => `${device} ${value}`).join(', ');
  if (values.every(({ value }) => value === 2)) {
    return [ok('arp-announce', `ARP requests never name ${vip}: arp_announce in force is ${list || 2}`)];
  }
  return [
    warning(
      'arp-announce',
      `ARP requests of this host may name ${vip} as their sender (arp_announce in force: ${list}): a router that hears one sends to this host past the director`,
      mendFor(wish, facts),
    ),
  ];
}

/** Whether rules leave no interface open. Without an interface, a rule for all of them counts. */
function isAnyRuled(
  open: readonly string[],
  devices: readonly string[],
  vip: IpAddress,
  action: ArpAction,
  facts: CheckFacts,
): boolean {
  return devices.length > 0 ? open.length === 0 : isRuled(facts, '', vip, action);
}

/** The way of the answers: strict reverse-path filtering drops clients whose way back is another interface. */
export function checkReversePath(facts: CheckFacts): Finding[] {
  const strict = networkDevices(facts).filter((device) => effective(facts, device, 'rp_filter') === 1);
  if (strict.length === 0) {
    return [ok('rp-filter', 'packets of clients are taken by whichever interface they come')];
  }
  if (networkDevices(facts).length === 1) {
    return [ok('rp-filter', `rp_filter is strict, and ${strict[0]!} is the only way to clients`)];
  }
  return [
    warning(
      'rp-filter',
      `rp_filter is 1 (strict) for ${strict.join(', ')}: packets of clients whose way back is another interface are dropped`,
      strict.map((device) => `sysctl -w net.ipv4.conf.${device}.rp_filter=2`).join(' && '),
    ),
  ];
}
