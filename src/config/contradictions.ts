/** What each part of a configuration allows by itself and the whole does not. */

import { familyOf, HASHING_SCHEDULERS, ipBytes, isHashing, serviceName, type IpAddress } from '../model/index.js';
import type { Path, Problem } from './parse.js';
import type { Config } from './schema.js';

type ConfigService = Config['services'][number];

/** The parts of a configuration that are right by themselves; undefined stands for those that are not. */
interface Parts {
  readonly interfaces: readonly string[] | undefined;
  readonly services: readonly (ConfigService | undefined)[];
}

/** Problems in no particular order. */
export function findContradictions({ interfaces, services }: Parts): Problem[] {
  const vips = new Set(services.flatMap((service) => service?.address ?? []));
  const firsts = new Map<string, number>();
  const ofServices = services.flatMap((service, i) => {
    if (service === undefined) {
      return [];
    }
    const path = ['services', i];
    const name = serviceName(service);
    const first = firsts.get(name);
    firsts.set(name, first ?? i);
    return [
      ...(first === undefined ? [] : [{ path, message: `is ${name}, as services[${first}] is already` }]),
      ...serviceProblems(service, path),
      ...realServerProblems(service, path, vips),
      ...(interfaces === undefined ? [] : wayProblems(service, path, interfaces)),
    ];
  });
  return [...(interfaces ?? []).flatMap(interfaceProblems), ...ofServices];
}

/** Names that the kernel takes for no interface (net/core/dev.c, dev_valid_name), and names that are there already. */
function interfaceProblems(name: string, i: number, all: readonly string[]): Problem[] {
  const path = ['interfaces', i];
  if (name === '.' || name === '..') {
    return [{ path, message: `must be the name of a network interface, not "${name}"` }];
  }
  const first = all.indexOf(name);
  return first === i ? [] : [{ path, message: `is ${name}, as interfaces[${first}] is already` }];
}

function serviceProblems(service: ConfigService, path: Path): Problem[] {
  const { address, slots, realServers } = service;
  const problems = [...policyProblems(service, path), ...thresholdProblems(service, path)];
  const reason = unusable(address);
  if (reason !== undefined) {
    problems.push({ path: [...path, 'address'], message: `cannot be a VIP: ${reason}` });
  }
  if (slots !== undefined && slots < realServers.length) {
    problems.push({
      path: [...path, 'slots'],
      message: `must be at least the number of real servers, ${realServers.length}, not ${slots}`,
    });
  }
  return problems;
}

/** What scheduler, tracking and persistence ask of each other. */
function policyProblems(service: ConfigService, path: Path): Problem[] {
  const { address, protocol, scheduler, flags = [], track, persistence, onePacket = false, slots } = service;
  const problems: Problem[] = [];
  const add = (key: string, message: string): void => {
    problems.push({ path: [...path, key], message });
  };
  const foreign = flags.find((flag) => !flag.startsWith(`${scheduler}-`));
  if (foreign !== undefined) {
    add('flags', `must be flags of the scheduler ${scheduler}, which ${foreign} is not`);
  }
  if (slots !== undefined && scheduler !== 'maglev') {
    add('slots', `goes with the scheduler maglev: ${scheduler} has no ring of that size`);
  }
  if (track === 'moved' && !isHashing(scheduler)) {
    add(
      'track',
      `must be all: "moved" needs a scheduler that hashes (${HASHING_SCHEDULERS.join(', ')}), not ${scheduler}`,
    );
  }
  if (track === 'moved' && persistence !== undefined) {
    add('track', 'must be all where "persistence" is: it needs every flow to be remembered');
  }
  if (onePacket && protocol !== 'udp') {
    add('onePacket', `goes with protocol udp, not ${protocol}`);
  }
  if (onePacket && persistence !== undefined) {
    add('onePacket', 'cannot be together with "persistence": no flow is remembered then');
  }
  if (onePacket && track !== undefined) {
    add('track', 'has no meaning with "onePacket": no flow is remembered');
  }
  const family = familyOf(address);
  const { mask } = { mask: undefined, ...persistence };
  if (mask !== undefined && (typeof mask === 'number') !== (family === 6)) {
    const wanted = family === 6 ? 'the length of a prefix, for example 64' : 'a netmask, for example 255.255.255.0';
    problems.push({ path: [...path, 'persistence', 'mask'], message: `must be ${wanted}, as the VIP is IPv${family}` });
  }
  return problems;
}

function thresholdProblems(service: ConfigService, path: Path): Problem[] {
  return service.realServers.flatMap((server, i) => {
    const { upperThreshold: upper, lowerThreshold: lower } = {
      upperThreshold: undefined,
      lowerThreshold: undefined,
      ...server,
    };
    const at = [...path, 'realServers', i];
    if (lower !== undefined && (upper === undefined || lower > upper)) {
      const message = upper === undefined ? 'goes with "upperThreshold"' : `must be at most upperThreshold, ${upper}`;
      return [{ path: [...at, 'lowerThreshold'], message }];
    }
    if (upper !== undefined && (service.track === 'moved' || service.onePacket === true)) {
      const message = 'needs every flow of the service to be remembered ("track: all")';
      return [{ path: [...at, 'upperThreshold'], message }];
    }
    return [];
  });
}

function realServerProblems({ address: vip, realServers }: ConfigService, path: Path, vips: Set<IpAddress>): Problem[] {
  const firsts = new Map<IpAddress, number>();
  return realServers.flatMap(({ address }, i) => {
    const at = [...path, 'realServers', i];
    const first = firsts.get(address);
    firsts.set(address, first ?? i);
    if (first !== undefined) {
      return [{ path: at, message: `is ${address}, as realServers[${first}] of the same service is already` }];
    }
    if (familyOf(address) !== familyOf(vip)) {
      return [{ path: at, message: `must be an IPv${familyOf(vip)} address as the VIP ${vip} is, not ${address}` }];
    }
    if (vips.has(address)) {
      return [{ path: at, message: `must be the real server's own address; ${address} is a VIP` }];
    }
    const reason = unusable(address);
    return reason === undefined ? [] : [{ path: at, message: `cannot be a real server: ${reason}` }];
  });
}

/** What is said of the way to a real server must fit together. */
function wayProblems({ realServers }: ConfigService, path: Path, interfaces: readonly string[]): Problem[] {
  return realServers.flatMap((server, i) => {
    const at = [...path, 'realServers', i, 'interface'];
    const { mac, interface: name } = { mac: undefined, interface: undefined, ...server };
    if (name === undefined) {
      return [];
    }
    if (mac === undefined) {
      return [{ path: at, message: 'goes with "mac": without, the host says which interface leads there' }];
    }
    return interfaces.includes(name)
      ? []
      : [{ path: at, message: `must be one of the director's interfaces, ${interfaces.join(', ')}, not ${name}` }];
  });
}

/** Why no host on a network can have this address; undefined when one can. */
function unusable(address: IpAddress): string | undefined {
  const bytes = ipBytes(address);
  const family = familyOf(address);
  const [first, second] = [bytes[0]!, bytes[1]!];
  if (bytes.every((byte) => byte === 0)) {
    return `${address} is no host's address`;
  }
  if (family === 4 ? first === 127 : bytes.every((byte, i) => byte === (i === 15 ? 1 : 0))) {
    return `${address} is a loopback address`;
  }
  if (family === 4 ? first >= 224 : first === 0xff) {
    return `${address} is a multicast or broadcast address`;
  }
  if (family === 6 && first === 0xfe && (second & 0xc0) === 0x80) {
    return `${address} is a link-local address`;
  }
  return undefined;
}
