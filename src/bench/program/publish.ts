/** How long a change takes from the request until packets follow it. */

import { setTimeout as sleep } from 'node:timers/promises';

import type { Publisher } from '../../dataplane/index.js';
import { compile } from '../../image/index.js';
import { type IpAddress, type MacAddress, macFromBytes, type Service } from '../../model/index.js';
import { buildFrame, summarizeFrame } from '../../packet/index.js';
import { spreadOf } from '../report/statistics.js';
import { benchServices, benchWorld, DIRECTOR, emptyDirector, type Size, vip } from './setup.js';

/** Milliseconds from a change of one weight to a packet that goes another way. */
export interface PublishReport extends Size {
  /** Median over the rounds. */
  readonly ms: number;
  readonly min: number;
  readonly max: number;
}

const SIZE: Size = { services: 1000, destinations: 10 };
/** The service whose weight changes; any will do. */
const CHANGED = 500;
/** Longer than a grace period: a change that comes on the heels of another waits for that, which is not measured. */
const PAUSE_MS = 50;

/** Drains a destination and takes it back in turn, and watches where one flow's packet goes. */
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

/** A MAC that tells the address: 02:00 and its four bytes. */
function macOf(address: IpAddress): MacAddress {
  const bytes = address.includes(':') ? [0, 0, 0, 0] : address.split('.').map(Number);
  return macFromBytes(Uint8Array.from([2, 0, ...bytes]));
}

function withWeight(service: Service, mac: MacAddress, weight: number): Service {
  const destinations = service.destinations.map((each) => (macOf(each.address) === mac ? { ...each, weight } : each));
  return { ...service, destinations };
}

/** The MAC that one flow's packet to the service leaves for. */
function destinationOf(director: Publisher): MacAddress {
  const data = buildFrame({
    destinationMac: DIRECTOR.mac,
    sourceMac: '00:50:00:00:03:00',
    source: '192.168.1.12',
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
