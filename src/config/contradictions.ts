/** What each part of a configuration allows by itself and the whole does not. */

import {
  familyOf,
  policyBreaches,
  serviceName,
  thresholdBreach,
  unusableAddress,
  type Breach,
  type IpAddress,
} from '../model/index.js';
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
  const under =
    (at: Path) =>
    ({ path: rest, message }: Breach): Problem => ({ path: [...at, ...rest], message });
  const problems = [
    ...policyBreaches({ ...service, family: familyOf(address) }).map(under(path)),
    ...realServers.flatMap((server, i) => {
      const breach = thresholdBreach({ upperThreshold: undefined, lowerThreshold: undefined, ...server }, service);
      return breach === undefined ? [] : [under([...path, 'realServers', i])(breach)];
    }),
  ];
  const reason = unusableAddress(address);
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
    const reason = unusableAddress(address);
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
