/** Measures nanoseconds a packet: the XDP program on packets of all kinds, beside programs that do nothing. */

import type { MapSet, Publisher } from '../../dataplane/index.js';
import type { BpfProgram } from '../../libbpf/index.js';
import { BeelineError } from '../../model/index.js';
import { availableMemory, possibleCpus } from '../../native/index.js';
import { measureInRounds } from '../measure/rounds.js';
import { type Judgement, midmean, round, spreadOf } from '../measure/statistics.js';
import { type BenchSize, requirePowerOfTwo, requireResources, requireDuration } from '../measure/limits.js';
import { type Path, pathsOf, standardPaths } from './paths.js';
import { benchDirector } from './director.js';

/** One measured path. Times are nanoseconds a packet; `min` and `max` belong to `ns`. */
export interface CostRow {
  readonly path: string;
  /** Median over the rounds. */
  readonly ns: number;
  /** Mean of the middle half of the differences to the floor right before and after: the path's cost above nothing. */
  readonly aboveEmptyNs: number;
  /** The same mean of the ratios to the floor. */
  readonly ratioToEmpty: number;
  readonly min: number;
  readonly max: number;
  /** Different flows among the packets. */
  readonly flows: number;
  readonly services: number;
  /** Real servers of each service. */
  readonly destinations: number;
  /** Measurements that other load on the machine disturbed; they were repeated. */
  readonly disturbed: number;
}

export interface CostOptions {
  /** How often each path is measured, in turn with all others. */
  readonly rounds: number;
  /** Packets of one measurement. */
  readonly repeat: number;
  /** Default: the standard sizes. */
  readonly size?: BenchSize | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** For the estimate of the duration: a slow packet's cost, and measurements for each path and round. */
const SLOW_PACKET_NS = 150;
const MEASUREMENTS = 2.5;
/** A floor is measured after each path, so with one in so many packets. */
const FLOOR_SHARE = 4;

/**
 * Measures all paths.
 *
 * @throws BeelineError `BENCH_TOO_LARGE` before anything is allocated, `USAGE` for flows that are no power of two
 */
export async function benchCosts({ rounds, repeat, size, onProgress }: CostOptions): Promise<CostRow[]> {
  if (size !== undefined) {
    requireResources(size, { bytes: availableMemory(), cpus: possibleCpus() });
    requirePowerOfTwo(size.flows);
  }
  const paths = size === undefined ? standardPaths() : pathsOf(size);
  requireDuration(
    (paths.length * rounds * repeat * SLOW_PACKET_NS * MEASUREMENTS) / 1e9,
    'BenchSize for fewer --rounds or a smaller --repeat.',
  );
  const floors = new Map(paths.filter(({ program, floor }) => program === floor).map((path) => [path.floor, path]));
  const directors = await makeDirectors(paths);
  try {
    for (const path of paths) {
      warmUp(directors.get(directorKey(path))!, path);
    }
    const judgements = await measureInRounds({
      paths,
      floorOf: ({ floor }) => floors.get(floor)!,
      measure: (path, purpose) =>
        measure(
          directors.get(directorKey(path))!,
          path,
          purpose === 'floor' ? Math.ceil(repeat / FLOOR_SHARE) : repeat,
        ),
      rounds,
      onProgress,
    });
    return paths.map((path) => toRow(path, judgements.get(path)!));
  } finally {
    for (const director of directors.values()) {
      director.close();
    }
  }
}

function toRow({ path, flows, size }: Path, { samples, disturbed }: Judgement): CostRow {
  const { median, min, max } = spreadOf(samples.map(({ own }) => own));
  const above = midmean(samples.map(({ own, before, after }) => own - (before + after) / 2));
  const ratio = midmean(samples.map(({ own, before, after }) => (2 * own) / (before + after)));
  return {
    path,
    ns: round(median, 1),
    aboveEmptyNs: round(above, 1),
    ratioToEmpty: round(ratio, 2),
    min: round(min, 1),
    max: round(max, 1),
    flows,
    ...size,
    disturbed,
  };
}

/** Names the director that paths of one size and variant share. */
function directorKey({ size: { services, destinations }, variant = 'common', forgetsAfter, entries }: Path): string {
  // A path that clears the flow table does not share it.
  return `${services}x${destinations} ${variant} ${forgetsAfter} ${entries}`;
}

async function makeDirectors(paths: readonly Path[]): Promise<Map<string, Publisher>> {
  const directors = new Map<string, Publisher>();
  for (const path of paths) {
    if (!directors.has(directorKey(path))) {
      directors.set(directorKey(path), await benchDirector(path.size, path.variant, path.entries));
    }
  }
  return directors;
}

/** Fills the flow table with the flows of a path. Paths of one director share its tables. */
export function warmUp(director: Publisher, path: Path): void {
  if (path.warmUp !== undefined) {
    const set = director.set!;
    setDraws(set, path);
    programOf(set, path.program).run({ data: path.frame, repeat: path.warmUp });
  }
}

/** Returns nanoseconds a packet by the kernel's clock around its loop: whole ones, rounded down, or a mean of them. */
function measure(director: Publisher, path: Path, repeat: number): number {
  const { forgetsAfter } = path;
  if (forgetsAfter === undefined) {
    return measureOnce(director, path, repeat);
  }
  const flows4 = director.set!.memory.mapping('flows4');
  const parts = Math.ceil(repeat / forgetsAfter);
  let sum = 0;
  for (let i = 0; i < parts; i += 1) {
    flows4.zero(0, flows4.byteLength);
    sum += measureOnce(director, path, Math.min(repeat, forgetsAfter));
  }
  return round(sum / parts, 1);
}

function measureOnce(director: Publisher, path: Path, repeat: number): number {
  const set = director.set!;
  setDraws(set, path);
  if (path.after !== undefined) {
    programOf(set, 'director').run({ data: path.after });
  }
  const times = path.times ?? 1;
  const run = { data: path.frame, repeat: Math.ceil(repeat / times) };
  const { returnValue, durationNs } = programOf(set, path.program).run(run);
  if (returnValue !== path.expect) {
    throw new BeelineError('BENCH_FAILED', `${path.path}: the program returned ${returnValue}, not ${path.expect}`);
  }
  return durationNs / times;
}

function programOf(set: MapSet, name: string): BpfProgram {
  const program = set.programs.get(name);
  if (program === undefined) {
    throw new BeelineError('NOT_BUILT', `bench.bpf.o has no program ${name}`, { hint: 'Run "npm run build".' });
  }
  return program;
}

/** Writes struct bench of bpf/bench.bpf.c, from which the flows_* programs draw flows and services. */
function setDraws(set: MapSet, { flows, size, frame }: Path): void {
  const view = new DataView(new ArrayBuffer(24));
  view.setBigUint64(0, 1n, true);
  view.setUint32(8, flows - 1, true);
  view.setUint32(12, size.services, true);
  new Uint8Array(view.buffer).set(frame.subarray(6, 14), 16);
  set.maps.get('.data.bench')!.update(new Uint8Array(4), new Uint8Array(view.buffer));
}
