/** Measures many paths in turn, each between two measurements of its floor, on a machine with other load. */

import { setImmediate as nextTurn } from 'node:timers/promises';

import { judge, type Judgement, QUIET, type Sample } from './statistics.js';

export interface RoundsOptions<Path> {
  /** In the order in which they are measured. */
  readonly paths: readonly Path[];
  /** Returns the path that a path is compared with. A floor is its own floor. */
  readonly floorOf: (path: Path) => Path;
  /** Returns the cost of one packet on a path, which is measured for itself or as another path's floor. */
  readonly measure: (path: Path, purpose: 'path' | 'floor') => number | Promise<number>;
  readonly rounds: number;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Measures every path once a round, so that a machine whose speed drifts slows all of them alike, and its floor before
 * and after it, so that slowness that comes and goes shows. Measures a disturbed path again, in up to half as many rounds
 * more. Judges each path at the end, against the quietest floor of the whole run.
 */
export async function measureInRounds<Path>(options: RoundsOptions<Path>): Promise<Map<Path, Judgement>> {
  const { paths, floorOf, measure, rounds, onProgress } = options;
  const samples = new Map<Path, Sample[]>(paths.map((path) => [path, []]));
  const quietest = new Map<Path, number>();
  const timed = async (path: Path, purpose: 'path' | 'floor'): Promise<number> => {
    const cost = await measure(path, purpose);
    if (floorOf(path) === path) {
      quietest.set(path, Math.min(cost, quietest.get(path) ?? Infinity));
    }
    // So that progress is drawn and signals are handled.
    await nextTurn();
    return cost;
  };
  const judged = (path: Path): Judgement => judge(samples.get(path)!, quietest.get(floorOf(path))!, rounds);
  const quietSamples = (path: Path): number => samples.get(path)!.length - judged(path).disturbed;

  for (let round = 0; round < rounds + Math.ceil(rounds / 2); round += 1) {
    const due = round < rounds ? paths : paths.filter((path) => quietSamples(path) < rounds);
    let last: { floor: Path; cost: number } | undefined;
    for (const [i, path] of due.entries()) {
      const floor = floorOf(path);
      if (floor === path) {
        const before = await timed(floor, 'path');
        samples.get(path)!.push({ own: before, before, after: before });
        last = { floor, cost: before };
      } else {
        const before = last?.floor === floor ? last.cost : await timed(floor, 'floor');
        const own = await timed(path, 'path');
        const after = await timed(floor, 'floor');
        samples.get(path)!.push({ own, before, after });
        last = { floor, cost: after };
      }
      onProgress?.(
        Math.min(round, rounds - 1) * paths.length + (round < rounds ? i + 1 : paths.length),
        rounds * paths.length,
      );
    }
  }
  return new Map(paths.map((path) => [path, judged(path)]));
}

/** A note for reports: how disturbed measurements are recognized and repeated. */
export const NOISE_NOTE =
  `Each figure is the median of measurements between two of its floor, which both cost at most ` +
  `${Math.round((QUIET - 1) * 100)} % more than the quietest of the run; others were repeated and are counted as disturbed.`;
