/** Measures how long a change takes from the request until packets follow it. */

import { setTimeout as sleep } from 'node:timers/promises';

import type { Publisher } from '../../dataplane/index.js';
import { compile } from '../../image/index.js';
import { type IpAddress, type MacAddress, macFromBytes, type Service, ip, mac } from '../../model/index.js';
import { buildFrame, summarizeFrame } from '../../packet/index.js';
import { spreadOf } from '../measure/statistics.js';
import { benchServices, benchWorld, DIRECTOR, emptyDirector, type Size, vip } from './director.js';

/** Milliseconds from a change of one weight to a packet that goes to another real server. */
export interface PublishReport extends Size {
  /** Median over the rounds. */
  readonly ms: number;
  readonly min: number;
  readonly max: number;
}

const SIZE: Size = { services: 1000, destinations: 10 };
/** The index of the service whose weights change. Any service would do. */
const CHANGED = 500;
/** Longer than a grace period, for which a change right after another would wait. */
const PAUSE_MS = 50;

/** Sets a destination's weight to 0 and 1 in turn, and looks where one flow's packet goes. */
export async function benchPublish(rounds: number): Promise<PublishReport> {
  const director = emptyDirector();
  try {
    let services = benchServices(SIZE);
    const world = benchWorld(services, macOf);
    await director.publish(compile({ services }, world));
    const home = destinationOf(director);
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      await sleep(PAUSE_MS);
      const weight = round % 2 === 0 ? 0 : 1;
      const started = performance.now();
      services = services.with(CHANGED, withWeight(services[CHANGED]!, home, weight));
      await director.publish(compile({ services }, world));
      const follows = (destinationOf(director) === home) === (weight === 1);
      times.push(performance.now() - started);
      if (!follows) {
        throw new Error(`the packet does not follow the weight ${weight} of ${home}`);
      }
    }
    const { median, min, max } = spreadOf(times);
    return { ...SIZE, ms: round2(median), min: round2(min), max: round2(max) };
  } finally {
    director.close();
  }
}

/** Returns a MAC for an IPv4 address: 02:00 and its four bytes. */
function macOf(address: IpAddress): MacAddress {
  const bytes = address.includes(':') ? [0, 0, 0, 0] : address.split('.').map(Number);
  return macFromBytes(Uint8Array.from([2, 0, ...bytes]));
}

function withWeight(service: Service, mac: MacAddress, weight: number): Service {
  const destinations = service.destinations.map((each) => (macOf(each.address) === mac ? { ...each, weight } : each));
  return { ...service, destinations };
}

/** Returns the MAC that one flow's packet to the service is sent to. */
function destinationOf(director: Publisher): MacAddress {
  const data = buildFrame({
    destinationMac: DIRECTOR.mac,
    sourceMac: mac('00:50:00:00:03:00'),
    source: ip('192.168.1.12'),
    destination: vip(CHANGED),
    protocol: 'tcp',
    sourcePort: 40_000,
    destinationPort: 80,
  });
  return summarizeFrame(director.set!.program.run({ data }).data).destinationMac;
}

function round2(value: number): number {
  return Math.round(value * 100) / 100;
}
