/** global_defs, and what stands at the top of the file. */

import { MAX_TIMEOUT, type Model } from '../../model/index.js';
import { fates, type Fates, type Handlers, readBlock, shown } from './block.js';
import type { Context } from './context.js';
import type { Statement } from './text/tree.js';
import { numberOf } from './values.js';
import { nameOf } from './vrrp.js';

export interface Globals {
  routerName?: string;
  timeouts?: NonNullable<Model['timeouts']>;
}

const NO_MAIL = 'no mail is sent; a hook (health: hooks:) can send it';
const OF_VRRP = 'put it into a file of keepalived\'s own, beside what "beeline keepalived write" writes';
const OF_KEEPALIVED = "it is of keepalived's processes alone";
const BY_HOOKS = 'a hook (health: hooks:) is told of events as JSON';

const GLOBAL_FATES: Fates = new Map([
  ...fates(
    'dropped',
    ['notification_email notification_email_from smtp_server smtp_helo_name smtp_connect_timeout', NO_MAIL],
    ['smtp_alert smtp_alert_vrrp smtp_alert_checker no_email_faults no_checker_emails', NO_MAIL],
    [
      'notify_fifo notify_fifo_script lvs_notify_fifo lvs_notify_fifo_script vrrp_notify_fifo vrrp_notify_fifo_script',
      BY_HOOKS,
    ],
    ['startup_script shutdown_script', 'a drop-in of systemd with ExecStartPre or ExecStopPost calls it'],
    [
      'vrrp_mcast_group4 vrrp_mcast_group6 vrrp_garp_master_delay vrrp_garp_master_repeat vrrp_garp_master_refresh',
      OF_VRRP,
    ],
    [
      'vrrp_garp_master_refresh_repeat vrrp_garp_lower_prio_delay vrrp_garp_lower_prio_repeat vrrp_garp_interval',
      OF_VRRP,
    ],
    ['vrrp_gna_interval vrrp_min_garp vrrp_garp_extra_if vrrp_vmac_garp_intvl vrrp_lower_prio_no_advert', OF_VRRP],
    ['vrrp_higher_prio_send_advert vrrp_check_unicast_src vrrp_skip_check_adv_addr vrrp_strict', OF_VRRP],
    ['vrrp_iptables vrrp_ipsets nftables nftables_priority nftables_ifindex nftables_counters', OF_VRRP],
    ['vrrp_priority vrrp_no_swap vrrp_rt_priority vrrp_cpu_affinity vrrp_rlimit_rttime vrrp_rlimit_rtime', OF_VRRP],
    ['vrrp_down_timer_adverts vrrp_notify_priority_changes vrrp_startup_delay vrrp_delay_after_boot', OF_VRRP],
    ['vrrp_owner_ignore_adverts vmac_prefix vmac_addr_prefix v3_checksum_as_v2 disable_local_igmp', OF_VRRP],
    ['max_auto_priority min_auto_priority_delay dynamic_interfaces default_interface log_unknown_vrids', OF_VRRP],
    ['vrrp_rx_bufs_policy vrrp_rx_bufs_multiplier fifo_write_vrrp_states_on_reload', OF_VRRP],
    ['script_user', 'programs of checks and hooks run as the user of Beeline'],
  ),
  ...fates(
    'translated',
    ['vrrp_version', 'VRRP 3 always: version 2 rounds short intervals up to a second'],
    ['lvs_sync_daemon', 'not needed: a standby of the same configuration chooses the same real servers'],
    ['lvs_flush lvs_flush_on_stop lvs_flush_onstop', 'not needed: packets are forwarded on when the daemon ends'],
    ['nftables_ipvs nftables_ipvs_priority nftables_ipvs_start_fwmark', 'not needed: many services cost nothing'],
    ['checker_log_all_failures', 'not needed: "beeline list --checks" shows results that speak against the state'],
    ['enable_script_security use_symlink_paths set_supplementary_groups', OF_KEEPALIVED],
    ['startup_script_timeout shutdown_script_timeout rs_init_notifies', OF_KEEPALIVED],
    [
      'process_names process_name vrrp_process_name checker_process_name lvs_process_name bfd_process_name',
      OF_KEEPALIVED,
    ],
    ['checker_priority checker_no_swap checker_rt_priority checker_cpu_affinity checker_rlimit_rttime', OF_KEEPALIVED],
    ['checker_rlimit_rtime bfd_priority bfd_no_swap bfd_rt_priority bfd_cpu_affinity bfd_rlimit_rttime', OF_KEEPALIVED],
    [
      'bfd_rlimit_rtime snmp_socket enable_traps enable_snmp_vrrp enable_snmp_keepalived enable_snmp_rfc',
      OF_KEEPALIVED,
    ],
    ['enable_snmp_rfcv2 enable_snmp_rfcv3 enable_snmp_checker snmp_vs_stats_update_interval', OF_KEEPALIVED],
    [
      'snmp_rs_stats_update_interval enable_dbus dbus_service_name dbus_no_interface_name umask random_seed',
      OF_KEEPALIVED,
    ],
    ['vrrp_netlink_cmd_rcv_bufs vrrp_netlink_cmd_rcv_bufs_force vrrp_netlink_monitor_rcv_bufs', OF_KEEPALIVED],
    ['vrrp_netlink_monitor_rcv_bufs_force process_monitor_rcv_bufs process_monitor_rcv_bufs_force', OF_KEEPALIVED],
    ['lvs_netlink_cmd_rcv_bufs lvs_netlink_cmd_rcv_bufs_force lvs_netlink_monitor_rcv_bufs', OF_KEEPALIVED],
    [
      'lvs_netlink_monitor_rcv_bufs_force reload_check_config reload_time_file reload_repeat reload_file',
      OF_KEEPALIVED,
    ],
    ['include_check config_save_dir tmp_config_directory data_use_instance json_version', OF_KEEPALIVED],
    ['iproute_usr_dir iproute_etc_dir state_dump_file stats_dump_file json_dump_file', OF_KEEPALIVED],
  ),
]);

/** What becomes of the other blocks and keywords at the top of the file. */
export const ROOT_FATES: Fates = new Map([
  ...fates(
    'dropped',
    ['static_ipaddress static_routes static_rules', 'let the network configuration of the host set them'],
    [
      'vrrp_sync_group',
      'instances of one priority are master together, others apart; all give mastership up if Beeline does not forward',
    ],
    [
      'vrrp_script track_file vrrp_track_file vrrp_track_process',
      'Beeline gives mastership up by itself if it does not forward; "essential: true" at a service adds its real servers',
    ],
    ['track_group garp_group interface_up_down_delays linkbeat_interfaces linkbeat_use_polling', OF_VRRP],
    ['bfd_instance', 'there is no BFD: a tcp or ping check with a short interval finds a dead real server in seconds'],
    ['net_namespace net_namespace_ipvs', 'start Beeline in that network namespace: "ip netns exec NAME beeline run"'],
  ),
  ...fates(
    'translated',
    ['instance', 'several directors on one host: "beeline run --instance NAME"'],
    ['use_pid_dir namespace_with_ipsets child_wait_time', OF_KEEPALIVED],
  ),
]);

export function readGlobals(statement: Statement, globals: Globals, context: Context): void {
  const { report } = context;
  report.keep(statement);
  const handlers: Handlers<Globals> = new Map([
    [
      'router_id',
      (each, target) => {
        const [, name] = each.words;
        if (name === undefined) {
          report.tell('dropped', each, 'router_id: it has no name');
        } else {
          target.routerName = nameOf(name, each, context);
          report.tell('translated', each, 'router_id: routerName of vrrp');
        }
      },
    ],
    [
      'lvs_timeouts',
      (each, target) => {
        readTimeouts(each, target, context);
      },
    ],
  ]);
  readBlock(statement.children ?? [], globals, { handlers, others: GLOBAL_FATES }, 'global_defs', report);
}

const TIMEOUTS = { tcp: 'established', tcpfin: 'finWait', udp: 'udp' } as const;

function readTimeouts(statement: Statement, globals: Globals, { report }: Context): void {
  const words = statement.words.slice(1);
  for (let i = 0; i < words.length; i += 2) {
    const [name = '', value = ''] = words.slice(i, i + 2);
    const key = Object.hasOwn(TIMEOUTS, name) ? TIMEOUTS[name as keyof typeof TIMEOUTS] : undefined;
    const seconds = numberOf(value, 0, MAX_TIMEOUT);
    if (key === undefined || seconds === undefined) {
      report.tell('dropped', statement, `lvs_timeouts: "${shown(`${name} ${value}`)}" is no timeout`);
    } else if (seconds > 0) {
      globals.timeouts = { ...globals.timeouts, [key]: seconds };
      report.tell('translated', statement, `lvs_timeouts: timeouts: ${key}: ${seconds}`);
    }
  }
}

const SSL_FATES: Fates = new Map([
  ...fates('dropped', [
    'certificate key password',
    'checks have no certificate of their own; an exec check with "curl --cert" has',
  ]),
  ...fates('translated', [
    'ca',
    'not needed: keepalived reads it and verifies nothing; with verify: true, ca: FILE names it',
  ]),
]);

/** SSL { … }: of all SSL_GET. */
export function readSsl(statement: Statement, { report }: Context): void {
  report.keep(statement);
  readBlock(statement.children ?? [], undefined, { handlers: new Map(), others: SSL_FATES }, 'SSL', report);
}
