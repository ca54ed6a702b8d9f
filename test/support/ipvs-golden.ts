/** Recordings of IPVS (test/golden/ipvs): hashing services and their placements, states of flows. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  type Destination,
  ip,
  type IpAddress,
  SCHEDULER_FLAGS,
  SCHEDULERS,
  type Service,
} from '../../src/model/index.js';

/** Relative to the root of the repository, where tests run. */
const DIRECTORY = 'test/golden/ipvs';

export interface Placement {
  readonly vip: IpAddress;
  readonly port: number;
  readonly client: { readonly address: IpAddress; readonly port: number };
  readonly server: IpAddress;
}

/** The flags of the segments that a client sent from one port ("S", "FA", …), and the state of its entry afterwards. */
export interface RecordedFlow {
  readonly port: number;
  readonly segments: readonly string[];
  readonly state: string;
}

function linesOf(file: string): string[] {
  return readFileSync(join(DIRECTORY, file), 'utf8').split('\n');
}

function endpoint(text: string): { address: IpAddress; port: number } {
  const [address, port] = text.split(':');
  return { address: ip(address!), port: Number(port) };
}

/** Reads the services of hash-config.txt, with destinations in the order in which they were added. */
export function recordedServices(): Service[] {
  const services = new Map<string, Service & { destinations: Destination[] }>();
  for (const line of linesOf('hash-config.txt')) {
    const [command, , key, ...options] = line.split(' ');
    const option = (name: string): string | undefined => options[options.indexOf(name) + 1];
    if (command === '-A') {
      const scheduler = SCHEDULERS.find((name) => name === option('-s'))!;
      const flags = options.includes('-b') ? SCHEDULER_FLAGS.filter((name) => name === option('-b')) : [];
      services.set(key!, { ...endpoint(key!), protocol: 'tcp', scheduler, flags, destinations: [] });
    } else if (command === '-a') {
      const { address } = endpoint(option('-r')!);
      services.get(key!)!.destinations.push({ address, weight: Number(option('-w')) });
    }
  }
  return [...services.values()];
}

/** Reads the lines of hash-map.txt: the kernel's choices of real servers. */
export function recordedPlacements(): Placement[] {
  return linesOf('hash-map.txt')
    .filter((line) => line !== '')
    .map((line) => {
      const [vip, client, server] = line.split(' ').map(endpoint);
      return { vip: vip!.address, port: vip!.port, client: client!, server: server!.address };
    });
}

/** Reads the TCP flows of states.txt, in the order in which their segments were sent. */
export function recordedFlows(): RecordedFlow[] {
  const lines = linesOf('states.txt');
  return lines.flatMap((line, at) => {
    const [, port, segments] = /^# segments sent by client for sport (\d+): (.*)$/.exec(line) ?? [];
    if (port === undefined) {
      return [];
    }
    // The first listing after it, because a later one may show a timeout that has run on.
    const listed = lines.slice(at).find((each) => each.startsWith('TCP') && each.includes(`:${port} `))!;
    return [{ port: Number(port), segments: segments!.trim().split(' '), state: listed.split(/\s+/)[2]! }];
  });
}
