/** keepalived's configuration from the model: VRRP alone, since Beeline is the director. Pure. */

import {
  addressBits,
  advertisedAddress,
  BeelineError,
  type Instance,
  type IpAddress,
  type Model,
  type VirtualRouter,
  virtualRouters,
} from '../../model/index.js';

/** `whole`: the only configuration of keepalived. `include`: a part beside what a user wrote. */
export type Form = 'whole' | 'include';

export type Files = Pick<Instance, 'name' | 'forwardsPath' | 'vrrpPath'>;

/** A line, or a block: its first line, and what is in it. */
type Line = string | Block;
interface Block {
  readonly head: string;
  readonly body: readonly Line[];
}

function block(head: string, ...body: readonly Line[]): Block {
  return { head, body };
}

/** @throws BeelineError `VRRP_UNSET` if there is no virtual router, or one without addresses */
export function keepalivedConf(
  model: Pick<Model, 'vrrp' | 'services' | 'markRules' | 'interfaces'>,
  files: Files,
  form: Form,
): string {
  const routers = virtualRouters(model);
  if (routers.length === 0) {
    throw new BeelineError('VRRP_UNSET', 'the configuration has no "vrrp": there is nothing to tell keepalived', {
      hint: 'Add "vrrp: { instances: [{ id: 51, priority: 250 }] }", with an id that no other router on the network has.',
    });
  }
  const empty = routers.find(({ addresses }) => addresses.length === 0);
  if (empty !== undefined) {
    throw new BeelineError(
      'VRRP_UNSET',
      `vrrp ${empty.name} has no address, since no service has an IPv${empty.family} VIP`,
      {
        hint: 'Add a service, or give the instance "addresses".',
      },
    );
  }
  const tracked = `beeline_${files.name}`;
  const device = deviceFor(model.interfaces);
  return textOf([
    globals(model, files, form),
    '',
    '# "1": this director forwards, and may be master. Without the file, or with any other content, it may not.',
    block(`track_file ${tracked}`, `file "${files.forwardsPath}"`, 'weight 0 reverse'),
    ...announcements(routers),
    ...groups(routers, files.name),
    ...routers.flatMap((router) => ['', instance(router, tracked, device)]),
  ]);
}

/**
 * What holds for all of keepalived. An include has only what cannot be said elsewhere: the rest is the user's. Into the
 * FIFO keepalived writes lines such as: INSTANCE "VI_51" MASTER 250 (or BACKUP, FAULT, STOP, MASTER_RX_LOWER_PRI), and GROUP.
 */
function globals({ vrrp }: Pick<Model, 'vrrp'>, { vrrpPath }: Files, form: Form): Line {
  const events = [`vrrp_notify_fifo ${vrrpPath} root root`, 'fifo_write_vrrp_states_on_reload'];
  return form === 'include'
    ? block('global_defs', ...events)
    : block(
        'global_defs',
        ...(vrrp?.routerName === undefined ? [] : [`router_id ${vrrp.routerName}`]),
        // Version 2 rounds intervals up to seconds.
        'vrrp_version 3',
        'enable_script_security',
        ...events,
      );
}

/** So long after the first gratuitous ARP the second one comes, in seconds. */
const AGAIN_SECONDS = 0.05;

/**
 * With a virtual MAC, the director that loses the VIP may answer the gratuitous ARP of the new master before it has
 * removed the VIP, from the same MAC: the switch then leads frames to it until the next one. keepalived sends two of them
 * at once, and two after a second; with an interval the second one comes after that, whatever was answered to the first.
 * It goes by the address, so that many addresses have a short one. Without a virtual MAC nobody answers from the same MAC,
 * and no announcement may wait.
 */
function announcements(routers: readonly VirtualRouter[]): Line[] {
  const names = [...new Set(routers.map((router) => router.interface))];
  return names.flatMap((name): Line[] => {
    const own = routers.filter((router) => router.interface === name);
    const seconds = AGAIN_SECONDS / own.reduce((sum, { addresses }) => sum + addresses.length, 0);
    const interval = String(Number(Math.max(seconds, 0.00001).toFixed(5)));
    return own.every(({ vmac = false }) => vmac)
      ? ['', block('garp_group', `garp_interval ${interval}`, `gna_interval ${interval}`, `interface ${name}`)]
      : [];
  });
}

/** Virtual routers of one priority are meant to be at one director. Those of others are meant to be apart. */
function groups(routers: readonly VirtualRouter[], name: string): Line[] {
  const together = [...new Set(routers.map(({ priority }) => priority))]
    .map((priority) => [priority, routers.filter((router) => router.priority === priority)] as const)
    .filter(([, each]) => each.length > 1);
  return together.flatMap(([priority, each]): Line[] => [
    '',
    block(
      `vrrp_sync_group beeline_${name}${together.length === 1 ? '' : `_${priority}`}`,
      block('group', ...each.map((router) => router.name)),
    ),
  ]);
}

function instance(router: VirtualRouter, tracked: string, device: (router: VirtualRouter) => string): Line {
  const { name, interface: heard, id, priority, interval, peers = [], source, vmac = false } = router;
  const { preempt = true, preemptDelay = 0 } = router;
  const { advertised, beside } = split(router);
  // With a virtual MAC the addresses are on its device, which keepalived makes.
  const on = vmac ? '' : ` dev ${device(router)}`;
  const line = (address: IpAddress): string => `${address}/${addressBits(router.family)}${on}`;
  return block(
    `vrrp_instance ${name}`,
    // All begin so: the one with the highest priority becomes master.
    'state BACKUP',
    'version 3',
    `interface ${heard}`,
    `virtual_router_id ${id}`,
    `priority ${priority}`,
    `advert_int ${interval}`,
    ...(vmac ? ['use_vmac', 'vmac_xmit_base'] : []),
    ...(preempt ? [] : ['nopreempt']),
    ...(preemptDelay === 0 ? [] : [`preempt_delay ${preemptDelay}`]),
    // Again after a second, for switches that were not ready; each minute, for neighbours that missed it.
    'garp_master_delay 1',
    'garp_master_repeat 2',
    'garp_master_refresh 60',
    // After a network that was split: the master that stays makes itself heard once more.
    'higher_prio_send_advert true',
    ...(source === undefined ? [] : [`${peers.length > 0 ? 'unicast' : 'mcast'}_src_ip ${source}`]),
    ...(peers.length === 0 ? [] : [block('unicast_peer', ...peers)]),
    block('virtual_ipaddress', line(advertised)),
    ...(beside.length === 0 ? [] : [block('virtual_ipaddress_excluded', ...beside.map(line))]),
    block('track_file', tracked),
  );
}

/**
 * Advertises one address, and has the others beside it. A director drops advertisements with other addresses than its own
 * (keepalived's vrrp_check_packet), and becomes master: so it would be while VIPs are added to one director after the
 * other.
 */
function split(router: VirtualRouter): { readonly advertised: IpAddress; readonly beside: readonly IpAddress[] } {
  const advertised = advertisedAddress(router)!;
  return { advertised, beside: router.addresses.filter((each) => each !== advertised) };
}

/** Returns the function from a router to the interface of its VIPs: where packets for them come, not where directors talk. */
function deviceFor(interfaces: readonly string[]): (router: VirtualRouter) => string {
  return ({ interface: heard }) => (interfaces.includes(heard) ? heard : (interfaces[0] ?? heard));
}

function textOf(lines: readonly Line[], indent = ''): string {
  return lines
    .map((line) => {
      if (typeof line === 'string') {
        return line === '' ? '\n' : `${indent}${line}\n`;
      }
      const { head, body } = line;
      return `${indent}${head} {\n${textOf(body, `${indent}    `)}${indent}}\n`;
    })
    .join('');
}
