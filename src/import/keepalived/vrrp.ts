/** vrrp_instance: which director has the VIPs. */

import {
  DEFAULT_PRIORITY,
  DEFAULT_VRRP_INTERVAL,
  familyOf,
  type IpAddress,
  type VrrpInstance,
} from '../../model/index.js';
import { fates, type Fates, readBlock, shown } from './block.js';
import type { Context } from './context.js';
import type { Statement } from './text/tree.js';
import { instanceHandlers, type InstanceSpec } from './vrrp-keywords.js';

const TO_KEEPALIVED = 'put it into a file of keepalived\'s own, beside what "beeline keepalived write" writes';
const BY_DAEMON =
  'Beeline gives mastership up by itself if it does not forward; "essential: true" at a service adds that one of its real servers must be up';
const BY_HOOKS = 'a hook (health: hooks:) is told of events as JSON, and can call it';

const INSTANCE_FATES: Fates = new Map([
  ...fates(
    'dropped',
    ['track_script track_process track_file track_bfd', BY_DAEMON],
    ['track_interface', `the instance's own interface is watched; others: ${TO_KEEPALIVED}`],
    ['notify notify_master notify_backup notify_fault notify_stop notify_deleted notify_master_rx_lower_pri', BY_HOOKS],
    ['smtp_alert', 'no mail is sent; a hook can send it'],
    ['authentication', 'VRRP 3 has none (RFC 9568): keep strangers out by a firewall, or by unicast peers'],
    ['virtual_routes virtual_rules', TO_KEEPALIVED],
    [
      'use_ipvlan use_vmac_addr vmac_xmit_base vrf dont_track_primary track_src_ip mcast_dst_ip unicast_ttl',
      TO_KEEPALIVED,
    ],
    ['garp_master_delay garp_master_refresh garp_master_repeat garp_master_refresh_repeat', TO_KEEPALIVED],
    ['garp_lower_prio_delay garp_lower_prio_repeat garp_extra_if vmac_garp_intvl down_timer_adverts', TO_KEEPALIVED],
    ['lower_prio_no_advert higher_prio_send_advert owner_ignore_adverts kernel_rx_buf_size', TO_KEEPALIVED],
    ['accept no_accept strict_mode skip_check_adv_addr check_unicast_src unicast_fault_no_peer', TO_KEEPALIVED],
    ['old_unicast_checksum v3_checksum_as_v2 promote_secondaries linkbeat_use_polling auth_hmac', TO_KEEPALIVED],
    ['timer_expired_backup thread_timer_expired no_virtual_ipaddress', TO_KEEPALIVED],
  ),
  ...fates(
    'translated',
    ['state', 'not needed: the priority decides who is master'],
    ['version', 'VRRP 3 always: version 2 rounds short intervals up to a second'],
    ['debug notify_priority_changes', 'not needed'],
    ['lvs_sync_daemon_interface', 'not needed: a standby of the same configuration chooses the same real servers'],
  ),
]);

/** Reads an instance. Undefined: it lacks what it must have, as was told. */
export function readInstance(statement: Statement, context: Context): VrrpInstance | undefined {
  const { report } = context;
  const [, name] = statement.words;
  const spec: InstanceSpec = { statement, addresses: [], peers: [] };
  report.keep(statement);
  readBlock(
    statement.children ?? [],
    spec,
    { handlers: instanceHandlers(context), others: INSTANCE_FATES },
    'vrrp_instance',
    report,
  );
  const missing =
    name === undefined
      ? 'a name'
      : spec.id === undefined
        ? 'a virtual_router_id'
        : spec.interface === undefined
          ? 'an interface'
          : undefined;
  if (missing !== undefined) {
    report.tellBlock('dropped', statement, `vrrp_instance: it needs ${missing}`);
    return undefined;
  }
  return instanceOf(nameOf(name!, statement, context), spec, context);
}

const MOST_NAME = 64;

/** Returns a name that a configuration may have, of an instance or of a director. */
export function nameOf(word: string, statement: Statement, { report }: Context): string {
  const name = word
    .slice(0, MOST_NAME)
    .replaceAll(/[^A-Za-z0-9._:-]/g, '_')
    .replace(/^[^A-Za-z0-9]/, 'x');
  if (name !== word) {
    report.tell(
      'translated',
      statement,
      `the name "${shown(word)}" is ${name}: it may have letters, digits, ".", "_", ":" and "-"`,
    );
  }
  return name;
}

function instanceOf(name: string, spec: InstanceSpec, { report }: Context): VrrpInstance {
  const { priority = DEFAULT_PRIORITY, interval = DEFAULT_VRRP_INTERVAL, source, vmac, preempt, preemptDelay } = spec;
  const [first = spec.peers[0]] = spec.addresses;
  const family = first === undefined ? spec.family : familyOf(first);
  const ofFamily = (addresses: readonly IpAddress[], what: string): IpAddress[] => {
    const [fitting, others] = [true, false].map((fits) =>
      addresses.filter((each) => (familyOf(each) === family) === fits),
    );
    if (others!.length > 0) {
      report.tell(
        'dropped',
        spec.statement,
        `vrrp_instance: ${what} of another family: ${shown(others!.join(', '))}; they need an instance of their own`,
      );
    }
    return [...new Set(fitting)];
  };
  const addresses = ofFamily(spec.addresses, 'addresses');
  const peers = ofFamily(spec.peers, 'peers');
  if (addresses.length === 0) {
    report.tell(
      'translated',
      spec.statement,
      'vrrp_instance: it has no addresses: those of the services that no other instance has',
    );
  }
  const waits = preemptDelay !== undefined && preemptDelay > 0;
  if (waits && preempt === false) {
    report.tell('translated', spec.statement, 'preempt_delay: left out beside nopreempt, which it has no meaning with');
  }
  return {
    name,
    interface: spec.interface!,
    id: spec.id!,
    priority,
    interval,
    ...(addresses.length > 0 && { addresses }),
    ...(addresses.length === 0 && family !== undefined && { family }),
    ...(peers.length > 0 && { peers }),
    ...(source !== undefined && { source }),
    ...(vmac === true && { vmac }),
    ...(preempt === false && { preempt }),
    ...(waits && preempt !== false && { preemptDelay }),
  };
}
