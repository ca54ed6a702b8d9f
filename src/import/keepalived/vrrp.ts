/** vrrp_instance: which director has the VIPs. */

import {
  DEFAULT_PRIORITY,
  DEFAULT_VRRP_INTERVAL,
  familyOf,
  type IpAddress,
  parseIp,
  type VrrpInstance,
} from '../../model/index.js';
import { fates, type Fates, type Handler, type Handlers, readBlock, shown } from './block.js';
import type { Context } from './context.js';
import type { Statement } from './text/tree.js';
import { numberOf, secondsOf, switchOf } from './values.js';

interface InstanceSpec {
  readonly statement: Statement;
  readonly addresses: IpAddress[];
  readonly peers: IpAddress[];
  interface?: string;
  id?: number;
  priority?: number;
  interval?: number;
  family?: 4 | 6;
  source?: IpAddress;
  vmac?: boolean;
  preempt?: boolean;
  preemptDelay?: number;
}

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
  return instanceOf(name!, spec, context);
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
    ...(preemptDelay !== undefined && preemptDelay > 0 && { preemptDelay }),
  };
}

function instanceHandlers(context: Context): Handlers<InstanceSpec> {
  const { report } = context;
  return new Map<string, Handler<InstanceSpec>>([
    [
      'interface',
      (statement, spec) => {
        readInterface(statement, spec, context);
      },
    ],
    [
      'virtual_router_id',
      (statement, spec) => {
        readId(statement, spec, context);
      },
    ],
    [
      'priority',
      (statement, spec) => {
        readPriority(statement, spec, context);
      },
    ],
    [
      'advert_int',
      (statement, spec) => {
        readInterval(statement, spec, context);
      },
    ],
    [
      'virtual_ipaddress',
      (statement, spec) => {
        readAddresses(statement, spec.addresses, context);
      },
    ],
    [
      'virtual_ipaddress_excluded',
      (statement, spec) => {
        report.tell('translated', statement, 'virtual_ipaddress_excluded: addresses like the others');
        readAddresses(statement, spec.addresses, context);
      },
    ],
    [
      'unicast_peer',
      (statement, spec) => {
        readAddresses(statement, spec.peers, context);
      },
    ],
    ...['unicast_src_ip', 'mcast_src_ip'].map((keyword): [string, Handler<InstanceSpec>] => [
      keyword,
      (statement, spec) => {
        readSource(statement, spec, context);
      },
    ]),
    [
      'use_vmac',
      (statement, spec) => {
        spec.vmac = true;
        report.tell(
          'translated',
          statement,
          `use_vmac: vmac: true${statement.words.length > 1 ? ', with names and MAC of its own' : ''}`,
        );
      },
    ],
    [
      'native_ipv6',
      (statement, spec) => {
        spec.family = 6;
        report.tell('translated', statement, 'native_ipv6: family: 6');
      },
    ],
    [
      'nopreempt',
      (statement, spec) => {
        spec.preempt = false;
        report.tell('translated', statement, 'nopreempt: preempt: false');
      },
    ],
    [
      'preempt',
      (statement, spec) => {
        spec.preempt = switchOf(statement.words[1]) ?? true;
        report.keep(statement);
      },
    ],
    [
      'preempt_delay',
      (statement, spec) => {
        readDelay(statement, spec, context);
      },
    ],
  ]);
}

function readInterface(statement: Statement, spec: InstanceSpec, { report }: Context): void {
  const [, name = ''] = statement.words;
  if (isInterface(name)) {
    spec.interface = name;
    report.keep(statement);
  } else {
    report.tell('dropped', statement, `interface: "${shown(name)}" is no name of an interface`);
  }
}

/** IFNAMSIZ, and what the kernel refuses in names (dev_valid_name). */
export function isInterface(name: string): boolean {
  return /^[^\s/:\u0000\u00a0]{1,15}$/.test(name) && Buffer.byteLength(name) <= 15 && name !== '.' && name !== '..';
}

function readId(statement: Statement, spec: InstanceSpec, { report }: Context): void {
  const id = numberOf(statement.words[1], 1, 255);
  if (id === undefined) {
    report.tell(
      'dropped',
      statement,
      `virtual_router_id: "${shown(statement.words[1] ?? '')}" is no number from 1 to 255`,
    );
  } else {
    spec.id = id;
    report.tell('translated', statement, `virtual_router_id: id: ${id}`);
  }
}

function readPriority(statement: Statement, spec: InstanceSpec, { report }: Context): void {
  const priority = numberOf(statement.words[1], 1, 255);
  if (priority === undefined) {
    const text = `"${shown(statement.words[1] ?? '')}" is no number from 1 to 255; ${DEFAULT_PRIORITY}, as in keepalived`;
    report.tell('dropped', statement, `priority: ${text}`);
  } else if (priority === 255) {
    spec.priority = 254;
    report.tell('translated', statement, 'priority: 254: 255 is for the owner of the addresses, who asks nobody');
  } else {
    spec.priority = priority;
    report.keep(statement);
  }
}

/** RFC 9568, 5.2.7: twelve bits of hundredths of a second. */
const MOST_INTERVAL = 40.95;

function readInterval(statement: Statement, spec: InstanceSpec, { report }: Context): void {
  const interval = secondsOf(statement.words[1], 0.01);
  if (interval === undefined) {
    report.tell(
      'dropped',
      statement,
      `advert_int: "${shown(statement.words[1] ?? '')}" is no number of seconds from 0.01 on`,
    );
  } else {
    const most = Math.min(Math.round(interval * 100) / 100, MOST_INTERVAL);
    spec.interval = most;
    report.tell(
      'translated',
      statement,
      `advert_int: interval: ${most}${most === interval ? '' : ', in hundredths of a second, and no more'}`,
    );
  }
}

function readDelay(statement: Statement, spec: InstanceSpec, { report }: Context): void {
  const delay = secondsOf(statement.words[1], 0, 1000);
  if (delay === undefined) {
    report.tell(
      'dropped',
      statement,
      `preempt_delay: "${shown(statement.words[1] ?? '')}" is no number of seconds up to 1000`,
    );
  } else {
    spec.preemptDelay = delay;
    report.tell('translated', statement, `preempt_delay: preemptDelay: ${delay}`);
  }
}

function readSource(statement: Statement, spec: InstanceSpec, { report }: Context): void {
  const [keyword, word = ''] = statement.words;
  const source = parseIp(word);
  if (source === undefined) {
    report.tell('dropped', statement, `${keyword!}: "${shown(word)}" is no address`);
  } else {
    spec.source = source;
    report.tell('translated', statement, `${keyword!}: source: ${source}`);
  }
}

/** Reads a block of addresses, which may have a length of a prefix, "dev" and other words of ip(8). */
function readAddresses(statement: Statement, addresses: IpAddress[], { report }: Context): void {
  report.keep(statement);
  for (const entry of statement.children ?? []) {
    const [word = '', ...more] = entry.words;
    const address = parseIp(word.split('/', 1)[0]!);
    if (address === undefined) {
      report.tell('dropped', entry, `"${shown(word)}" is no address`);
      continue;
    }
    addresses.push(address);
    const rest = shown(
      [
        ...word
          .split('/')
          .slice(1)
          .map((length) => `/${length}`),
        ...more,
      ].join(' '),
    );
    if (rest === '') {
      report.keep(entry);
    } else {
      const text = 'the address alone is taken, for the interface of the instance';
      report.tell(/\bdev\b/.test(rest) ? 'dropped' : 'translated', entry, `"${rest}": ${text}`);
    }
  }
}
