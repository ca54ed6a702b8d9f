/** Nanoseconds a packet: the XDP program on all kinds of packets, against programs that do nothing. */

import type { BpfProgram } from '../libbpf/index.js';
import type { MapSet } from '../dataplane/map-set.js';
import type { Publisher } from '../dataplane/publisher.js';
import { buildFrame, type FrameOptions } from './packets.js';
import { benchDirector, DIRECTOR, vip, type Size } from './setup.js';
import { spreadOf } from './statistics.js';

/** One measured path. Times are nanoseconds a packet; `min` and `max` belong to `ns`. */
export interface ProgramRow {
  readonly path: string;
  /** Median over the rounds. */
  readonly ns: number;
  /** Median of the differences to the floor in the same round: what the path costs beyond doing nothing. */
  readonly aboveEmptyNs: number;
  readonly min: number;
  readonly max: number;
  /** Different flows among the packets. */
  readonly flows: number;
  readonly services: number;
  /** A service. */
  readonly destinations: number;
}

export interface ProgramOptions {
  /** How often each path is measured, in turn with all others. */
  readonly rounds: number;
  /** Packets a measurement. */
  readonly repeat: number;
  readonly onProgress?: (done: number, total: number) => void;
}

interface Path {
  readonly path: string;
  readonly size: Size;
  readonly flows: number;
  readonly program: 'empty' | 'mac_swap' | 'director' | 'flows_empty' | 'flows_director';
  readonly floor: 'empty' | 'flows_empty';
  readonly frame: Uint8Array;
  /** XDP_TX or XDP_PASS: a benchmark of the wrong path is worse than none. */
  readonly expect: number;
}

const XDP_PASS = 2;
const XDP_TX = 3;
const CLIENT_MAC = '00:50:00:00:03:00';
/** Flows of the paths that draw them at random, where nothing else is said. */
const MANY_FLOWS = 1 << 20;

const SMALL: Size = { services: 1, destinations: 10 };

function frame(options: Partial<FrameOptions> = {}): Uint8Array {
  const ipv6 = options.destination?.includes(':') === true;
  return buildFrame({
    destinationMac: DIRECTOR.mac,
    sourceMac: CLIENT_MAC,
    source: ipv6 ? 'fd00::12' : '192.168.1.12',
    destination: vip(0),
    protocol: 'tcp',
    sourcePort: 40_000,
    destinationPort: 80,
    ...options,
  });
}

function paths(): Path[] {
  const one = (path: string, program: Path['program'], packet: Uint8Array, expect = XDP_TX): Path => ({
    path,
    size: SMALL,
    flows: 1,
    program,
    floor: 'empty',
    frame: packet,
    expect,
  });
  const many = (path: string, size: Size, flows: number, program: Path['program'] = 'flows_director'): Path => ({
    path,
    size,
    flows,
    program,
    floor: 'flows_empty',
    frame: frame(),
    expect: XDP_TX,
  });
  return [
    one('empty', 'empty', frame()),
    one('mac-swap', 'mac_swap', frame()),
    one('ipv4-tcp', 'director', frame()),
    one('ipv4-udp', 'director', frame({ protocol: 'udp' })),
    one('ipv6-tcp', 'director', frame({ destination: 'fd00::100' })),
    one('ipv6-udp', 'director', frame({ destination: 'fd00::100', protocol: 'udp' })),
    one('no-service', 'director', frame({ destination: '192.168.1.21', destinationPort: 22 }), XDP_PASS),
    one('no-service-ipv6', 'director', frame({ destination: 'fd00::21', destinationPort: 22 }), XDP_PASS),
    one('vip-no-service', 'director', frame({ destinationPort: 22 }), XDP_PASS),
    many('flows-empty', SMALL, MANY_FLOWS, 'flows_empty'),
    many('flows-1', SMALL, 1),
    many('flows-1048576', SMALL, MANY_FLOWS),
    { ...one('services-1', 'director', frame()), size: SMALL },
    { ...one('services-1000', 'director', frame()), size: { services: 1000, destinations: 10 } },
    many('services-1000-random', { services: 1000, destinations: 10 }, MANY_FLOWS),
    many('destinations-10', SMALL, MANY_FLOWS),
    many('destinations-1000', { services: 1, destinations: 1000 }, MANY_FLOWS),
  ];
}

/** Measures every path in every round, so that a machine whose speed drifts slows all of them alike. */
export async function benchPrograms(options: ProgramOptions): Promise<ProgramRow[]> {
  const { rounds, repeat, onProgress } = options;
  const all = paths();
  const directors = await makeDirectors(all.map(({ size }) => size));
  try {
    const times = new Map<Path, number[]>(all.map((path) => [path, []]));
    const total = rounds * all.length;
    let done = 0;
    for (let round = 0; round < rounds; round += 1) {
      for (const path of all) {
        times.get(path)!.push(measure(directors.get(sizeKey(path.size))!, path, repeat));
        done += 1;
        onProgress?.(done, total);
        // Lets progress be drawn and signals be heard.
        await new Promise(setImmediate);
      }
    }
    const floorTimes = (floor: Path['floor']): number[] => times.get(all.find(({ program }) => program === floor)!)!;
    return all.map((path) => toRow(path, times.get(path)!, floorTimes(path.floor)));
  } finally {
    for (const director of directors.values()) {
      director.close();
    }
  }
}

function toRow({ path, flows, size }: Path, own: readonly number[], floor: readonly number[]): ProgramRow {
  const { median, min, max } = spreadOf(own);
  const aboveEmptyNs = spreadOf(own.map((ns, round) => ns - floor[round]!)).median;
  return { path, ns: median, aboveEmptyNs, min, max, flows, ...size };
}

function sizeKey({ services, destinations }: Size): string {
  return `${services}x${destinations}`;
}

async function makeDirectors(sizes: readonly Size[]): Promise<Map<string, Publisher>> {
  const directors = new Map<string, Publisher>();
  for (const size of sizes) {
    if (!directors.has(sizeKey(size))) {
      directors.set(sizeKey(size), await benchDirector(size));
    }
  }
  return directors;
}

/** Nanoseconds a packet, as the kernel's clock around its loop says: whole ones, rounded down. */
function measure(director: Publisher, path: Path, repeat: number): number {
  const set = director.set!;
  setDraws(set, path);
  const { returnValue, durationNs } = programOf(set, path.program).run({ data: path.frame, repeat });
  if (returnValue !== path.expect) {
    throw new Error(`${path.path}: the program returned ${returnValue}, not ${path.expect}`);
  }
  return durationNs;
}

function programOf(set: MapSet, name: string): BpfProgram {
  const program = set.programs.get(name);
  if (program === undefined) {
    throw new Error(`bench.bpf.o has no program ${name}`);
  }
  return program;
}

/** Tells the flows_* programs what to draw from: struct bench in bpf/bench.bpf.c. */
function setDraws(set: MapSet, { flows, size }: Path): void {
  const view = new DataView(new ArrayBuffer(16));
  view.setBigUint64(0, 1n, true);
  view.setUint32(8, flows - 1, true);
  view.setUint32(12, size.services, true);
  set.maps.get('.data.bench')!.update(new Uint8Array(4), new Uint8Array(view.buffer));
}
