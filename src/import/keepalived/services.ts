/** Services of the model from virtual servers. */

import {
  type AnyService,
  type Destination,
  type Family,
  familyOf,
  type IpAddress,
  isNetmask,
  type MarkService,
  parseIp,
  type Persistence,
  type Protocol,
  type SchedulerFlag,
  type Service,
  serviceName,
  type ServicePolicy,
  unusableAddress,
  unusableRealServer,
} from '../../model/index.js';
import type { Context } from './context.js';
import { healthOf } from './health.js';
import { methodText } from './method.js';
import { DEFAULT_PERSISTENCE } from './servers.js';
import type { Method, ServerSpec, Target, VirtualSpec } from './spec.js';
import type { Statement } from './text/tree.js';
import { numberOf } from './values.js';

/** A service, and where it comes from. */
export interface Made {
  readonly service: AnyService;
  readonly statement: Statement;
}

/** More than these are not what somebody meant, and would be checked for minutes. */
const MOST_SERVICES = 20_000;

/** Returns the services of all virtual servers; each packet has one at most. */
export function servicesOf(virtuals: readonly VirtualSpec[], context: Context): Made[] {
  const { report } = context;
  const vips = new Set(
    virtuals.flatMap(({ targets }) => targets.flatMap((each) => ('address' in each ? [each.address] : []))),
  );
  const firsts = new Map<string, Statement>();
  const made: Made[] = [];
  for (const virtual of virtuals) {
    if (!isUsable(virtual, context)) {
      continue;
    }
    const policy = commonPolicy(virtual, context);
    for (const target of virtual.targets) {
      const each = serviceOf(target, virtual, policy, vips, context);
      if (each === undefined) {
        continue;
      }
      const name = serviceName(each.service);
      const first = firsts.get(name);
      if (first !== undefined) {
        report.tell('dropped', target.statement, `${name} is there already, at ${first.file}:${first.line}`);
      } else if (made.length >= MOST_SERVICES) {
        report.tell('dropped', target.statement, `only the first ${MOST_SERVICES} services are taken`);
      } else {
        firsts.set(name, target.statement);
        made.push(each);
      }
    }
  }
  return made;
}

function isUsable({ statement, servers, protocol }: VirtualSpec, { report }: Context): boolean {
  if (servers.length === 0) {
    report.tellBlock('dropped', statement, 'virtual_server: it has no real servers, and keepalived ignores it too');
    return false;
  }
  if (protocol === 'sctp') {
    report.tellBlock('dropped', statement, 'virtual_server: there is no SCTP');
    return false;
  }
  return true;
}

/** What all services of a virtual server have, but for what depends on their addresses. */
function commonPolicy(virtual: VirtualSpec, { report }: Context): Omit<ServicePolicy, 'destinations'> {
  const { statement, scheduler = 'wlc', targets, protocol, onePacket } = virtual;
  const byAddress = targets.some((each) => 'address' in each);
  if (virtual.scheduler === undefined) {
    report.tell('translated', statement, 'virtual_server: scheduler: wlc, the default of keepalived');
  }
  if (byAddress && protocol === undefined) {
    report.tell('translated', statement, 'virtual_server: protocol: udp, the default of keepalived: it names none');
  }
  if (!byAddress && protocol !== undefined) {
    report.tell('translated', statement, 'protocol: packets with the mark of any protocol, as in keepalived');
  }
  const flags = virtual.flags.flatMap((flag): SchedulerFlag[] => flagOf(flag, scheduler, report.tell));
  return {
    scheduler,
    ...(flags.length > 0 && { flags: [...new Set(flags)] }),
    ...(takesOnePacket(virtual, byAddress, onePacket, report.tell) && { onePacket: true }),
  };
}

type Tell = Context['report']['tell'];

const NUMBERED: Readonly<Record<string, string>> = { 'flag-1': 'fallback', 'flag-2': 'port' };

/** IP_VS_SVC_F_SCHED_… in the kernel's ip_vs.h: the first flag is "fallback", the second "port", of sh and mh alike. */
function flagOf({ statement, name }: VirtualSpec['flags'][number], scheduler: string, tell: Tell): SchedulerFlag[] {
  const numbered = NUMBERED[name];
  const own = numbered === undefined ? name : `${scheduler}-${numbered}`;
  if ((scheduler === 'sh' || scheduler === 'mh') && own.startsWith(`${scheduler}-`)) {
    tell('translated', statement, `${name}: flags: ${own}`);
    return [own as SchedulerFlag];
  }
  tell('dropped', statement, `${name}: the scheduler ${scheduler} has no such flag`);
  return [];
}

function takesOnePacket(virtual: VirtualSpec, byAddress: boolean, at: Statement | undefined, tell: Tell): boolean {
  if (at === undefined) {
    return false;
  }
  if (byAddress && virtual.protocol === 'tcp') {
    tell('translated', at, 'ops: left out, as keepalived does: it needs UDP');
    return false;
  }
  if (virtual.persistence !== undefined) {
    tell('translated', at, "ops: left out beside persistence, which chooses a client's real server in IPVS too");
    return false;
  }
  tell('translated', at, 'ops: onePacket: true');
  return true;
}

function serviceOf(
  target: Target,
  virtual: VirtualSpec,
  common: Omit<ServicePolicy, 'destinations'>,
  vips: ReadonlySet<IpAddress>,
  context: Context,
): Made | undefined {
  const { report } = context;
  const hasVip = 'address' in target;
  const port = hasVip ? target.port : 0;
  const reason = hasVip ? unusableAddress(target.address) : undefined;
  if (reason !== undefined) {
    report.tell('dropped', target.statement, `virtual_server: it cannot be a VIP: ${reason}`);
    return undefined;
  }
  const family = familyOfTarget(target, virtual);
  const servers = serversOf(virtual, family, { hasVip, port, vips }, context);
  const { policy: health, own } = healthOf({ virtual, port, family, hasVip }, servers, context);
  const persistence = persistenceOf(virtual, family, hasVip && port === 0, context);
  const { onePacket, ...rest } = common;
  const isOnePacket = onePacket === true && persistence === undefined;
  const policy: ServicePolicy = {
    ...rest,
    ...(isOnePacket && { onePacket }),
    ...(persistence !== undefined && { persistence }),
    ...(health !== undefined && { health }),
    destinations: servers.map((server, i) => destinationOf(server, virtual.weight, isOnePacket, own[i], context)),
  };
  const service: Service | MarkService = hasVip
    ? { address: target.address, port, protocol: protocolOf(virtual), ...policy }
    : { mark: target.mark, family, ...policy };
  if (!hasVip) {
    report.tell('dropped', target.statement, markText(target.mark));
  }
  // What several services of a group have in common would be an anchor in the file.
  return { service: structuredClone(service), statement: target.statement };
}

function markText(mark: number): string {
  return (
    `fwmark ${mark}: which packets have the mark is said by rules of iptables or nftables, which are not in this file: ` +
    'add them as "match", for example [tcp:192.168.1.100:80]'
  );
}

function protocolOf({ protocol }: VirtualSpec): Protocol {
  return protocol === 'tcp' ? 'tcp' : 'udp';
}

function familyOfTarget(target: Target, { family, servers, sorry }: VirtualSpec): Family {
  if ('address' in target) {
    return familyOf(target.address);
  }
  const [first] = [...servers, ...(sorry === undefined ? [] : [sorry])];
  return target.family ?? family ?? (first === undefined ? 4 : familyOf(first.address));
}

function persistenceOf(
  virtual: VirtualSpec,
  family: Family,
  everyPort: boolean,
  { report }: Context,
): Persistence | undefined {
  const { persistence, granularity, statement } = virtual;
  if (persistence === undefined) {
    if (everyPort) {
      const text = `persistence: ${DEFAULT_PERSISTENCE}: keepalived makes a virtual server without a port persistent`;
      report.tell('translated', statement, `virtual_server: ${text}`);
    }
    return everyPort ? { timeout: DEFAULT_PERSISTENCE } : undefined;
  }
  if (granularity === undefined) {
    return { timeout: persistence };
  }
  const [, word = ''] = granularity.words;
  const mask = family === 4 ? netmaskOf(word) : numberOf(word, 1, 128);
  if (mask === undefined) {
    const what = family === 4 ? 'netmask' : 'length of a prefix from 1 to 128';
    report.tell('dropped', granularity, `persistence_granularity: "${word}" is no ${what}`);
    return { timeout: persistence };
  }
  report.tell('translated', granularity, `persistence_granularity: persistence: mask: ${mask}`);
  return { timeout: persistence, ...(mask !== 128 && mask !== '255.255.255.255' && { mask }) };
}

function netmaskOf(word: string): IpAddress | undefined {
  const mask = parseIp(word);
  return mask !== undefined && isNetmask(mask) ? mask : undefined;
}

interface Where {
  readonly hasVip: boolean;
  readonly port: number;
  readonly vips: ReadonlySet<IpAddress>;
}

/** Returns the real servers that a service can have, and tells of the others. */
function serversOf(virtual: VirtualSpec, family: Family, where: Where, { report }: Context): ServerSpec[] {
  const known = new Set<IpAddress>();
  if (virtual.method === undefined && virtual.servers.some(({ method }) => method === undefined)) {
    const text = `no lvs_method: keepalived's default is NAT, and ${methodText('NAT')}`;
    report.tell('dropped', virtual.statement, text);
  }
  return virtual.servers.filter((server) => {
    const problem = known.has(server.address)
      ? `${server.address} is a real server of it already`
      : problemOf(server, family, server.method ?? virtual.method ?? 'NAT', where);
    if (problem !== undefined) {
      report.tellBlock('dropped', server.statement, `real_server: ${problem}`);
      return false;
    }
    known.add(server.address);
    const { port } = server;
    if (where.hasVip && port !== 0 && port !== where.port) {
      const text = `under direct routing clients reach port ${where.port || 'that they ask for'}, and keepalived ignores another one`;
      report.tell('dropped', server.statement, `real_server: port ${port}: ${text}; checks go to it`);
    }
    return true;
  });
}

function problemOf({ address, port }: ServerSpec, family: Family, method: Method, where: Where): string | undefined {
  if (familyOf(address) !== family) {
    return `${address} is of another family than the virtual server`;
  }
  if (where.vips.has(address)) {
    return `${address} is a VIP: a real server needs an address of its own`;
  }
  const reason = unusableRealServer(address);
  if (reason !== undefined) {
    return `it cannot take packets: ${reason}`;
  }
  return method === 'NAT' && where.hasVip && port !== 0 && port !== where.port
    ? `port ${port} needs NAT, which is not there yet: under direct routing packets keep port ${where.port}. Let it listen there, at the VIP`
    : undefined;
}

function destinationOf(
  server: ServerSpec,
  common: number | undefined,
  isOnePacket: boolean,
  health: Destination['health'],
  { report }: Context,
): Destination {
  const { address, weight = common ?? 1, upperThreshold: upper = 0, lowerThreshold: lower = 0 } = server;
  const isBounded = upper > 0 && !isOnePacket;
  const hasLower = isBounded && lower > 0 && lower <= upper;
  if (upper > 0 && !isBounded) {
    report.tell('translated', server.statement, 'uthreshold: left out beside ops, which counts no flows');
  }
  if (lower > 0 && isBounded && !hasLower) {
    report.tell(
      'dropped',
      server.statement,
      `lthreshold: ${lower} is more than uthreshold, ${upper}: left out; IPVS refuses such a real server`,
    );
  } else if (lower > 0 && upper === 0) {
    report.tell(
      'dropped',
      server.statement,
      'lthreshold: left out, without uthreshold; IPVS refuses such a real server',
    );
  }
  return {
    address,
    weight,
    ...(isBounded && { upperThreshold: upper }),
    ...(hasLower && { lowerThreshold: lower }),
    ...(health !== undefined && { health }),
  };
}
