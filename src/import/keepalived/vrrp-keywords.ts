/** The keywords of vrrp_instance that have an equivalent. */

import { DEFAULT_PRIORITY, type IpAddress, parseIp } from '../../model/index.js';
import { type Handler, type Handlers, shown } from './block.js';
import type { Context } from './context.js';
import type { Statement } from './text/tree.js';
import { numberOf, secondsOf, switchOf } from './values.js';

export interface InstanceSpec {
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

type Reader = (statement: Statement, spec: InstanceSpec, context: Context) => void;

export function instanceHandlers(context: Context): Handlers<InstanceSpec> {
  const readers: readonly (readonly [string, Reader])[] = [
    ['interface', readInterface],
    ['virtual_router_id', readId],
    ['priority', readPriority],
    ['advert_int', readInterval],
    ['virtual_ipaddress', readVips],
    ['virtual_ipaddress_excluded', readVips],
    ['unicast_peer', readPeers],
    ['unicast_src_ip', readSource],
    ['mcast_src_ip', readSource],
    ['use_vmac', readVmac],
    ['native_ipv6', readFamily],
    ['nopreempt', readPreempt],
    ['preempt', readPreempt],
    ['preempt_delay', readDelay],
  ];
  return new Map(
    readers.map(([keyword, read]): [string, Handler<InstanceSpec>] => [
      keyword,
      (statement, spec) => {
        read(statement, spec, context);
      },
    ]),
  );
}

function readVips(statement: Statement, { addresses, interface: own }: InstanceSpec, context: Context): void {
  if (statement.words[0] === 'virtual_ipaddress_excluded') {
    context.report.tell('translated', statement, 'virtual_ipaddress_excluded: addresses like the others');
  }
  readAddresses(statement, addresses, context, own);
}

function readPeers(statement: Statement, { peers }: InstanceSpec, context: Context): void {
  readAddresses(statement, peers, context);
}

function readVmac(statement: Statement, spec: InstanceSpec, { report }: Context): void {
  spec.vmac = true;
  const more = statement.words.length > 1 ? "; its name and MAC are keepalived's defaults" : '';
  report.tell('translated', statement, `use_vmac: vmac: true${more}`);
}

function readFamily(statement: Statement, spec: InstanceSpec, { report }: Context): void {
  spec.family = 6;
  report.tell('translated', statement, 'native_ipv6: family: 6');
}

function readPreempt(statement: Statement, spec: InstanceSpec, { report }: Context): void {
  spec.preempt = statement.words[0] === 'preempt' && switchOf(statement.words[1]) !== false;
  report.tell('translated', statement, `${statement.words[0]!}: preempt: ${spec.preempt ? 'true' : 'false'}`);
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
function isInterface(name: string): boolean {
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

/** Reads a block of addresses, which may have a length of a prefix, "dev" and other words of ip(8). @param own the interface */
function readAddresses(statement: Statement, addresses: IpAddress[], { report }: Context, own?: string): void {
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
      const at = more.indexOf('dev');
      report.tell(at < 0 || more[at + 1] === own ? 'translated' : 'dropped', entry, `"${rest}": ${text}`);
    }
  }
}
