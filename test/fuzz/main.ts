/** `npm run fuzz`: sends random packets for random directors through the program and the oracle. Needs root. */

import { execFileSync } from 'node:child_process';

import { Command } from 'commander';

import { BATCH, type Disagreement, FuzzDirector } from './director.js';
import { saveFixture } from './fixtures.js';
import { hex, Packets } from './packets.js';
import { Random } from './random.js';
import { randomScene, type Scene } from './scenes.js';

/** Packets for each director. */
const PACKETS_A_SCENE = 8 * BATCH;

const { packets, seconds, seed } = new Command('fuzz')
  .description('Send random packets for random directors through the program and the oracle, and compare them.')
  .option('--packets <n>', 'number of packets', Number, 20_000_000)
  .option('--seconds <n>', 'fail after so many seconds', Number, 3600)
  .option('--seed <n>', 'seed of the random numbers, to repeat a run', Number, Date.now() % 2 ** 31)
  .parse()
  .opts<{ packets: number; seconds: number; seed: number }>();

/** Makes an interface to redirect to, in the network namespace that scripts/test made. */
function makeInterface(): number {
  execFileSync('ip', ['link', 'add', 'fuzz0', 'type', 'veth', 'peer', 'name', 'fuzz1']);
  const [link] = JSON.parse(execFileSync('ip', ['-json', 'link', 'show', 'fuzz0'], { encoding: 'utf8' })) as {
    ifindex: number;
  }[];
  return link!.ifindex;
}

/** Leaves out the frames without which the last one disagrees too. */
async function shrink(director: FuzzDirector, frames: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
  let needed = frames;
  for (let i = frames.length - 2; i >= 0; i -= 1) {
    const without = needed.toSpliced(i, 1);
    if ((await director.compare(without))?.frames.length === without.length) {
      needed = without;
    }
  }
  return needed;
}

async function report(scene: Scene, director: FuzzDirector, { frames, expected, actual }: Disagreement): Promise<void> {
  const difference = `expected ${expected.verdict}, got ${actual.verdict}`;
  // Before the search for the frames that are needed, which takes minutes where each try publishes.
  process.stderr.write(`seed ${seed}: ${difference}\n`);
  const last = frames.slice(-1);
  const alone = (await director.compare(last)) === undefined ? await shrink(director, frames) : last;
  const path = saveFixture('test/fuzz/fixtures', `seed-${seed}`, difference, scene, alone);
  alone.forEach((frame) => process.stderr.write(`  frame     ${hex(frame)}\n`));
  process.stderr.write(`  expected  ${hex(expected.frame)}\n  actual    ${hex(actual.frame)}\nsaved as ${path}\n`);
}

async function main(): Promise<number> {
  const egress = makeInterface();
  const random = new Random(seed);
  const started = performance.now();
  const verdicts = new Map<string, number>();
  let done = 0;
  let scenes = 0;
  while (done < packets) {
    const scene = randomScene(random, egress);
    using director = new FuzzDirector();
    await director.publish(scene);
    scenes += 1;
    const source = new Packets(random, scene);
    for (let i = 0; i < PACKETS_A_SCENE && done < packets; i += BATCH) {
      source.beginBatch();
      const frames = Array.from({ length: BATCH }, () => source.next());
      const disagreement = await director.compare(frames, verdicts);
      if (disagreement !== undefined) {
        await report(scene, director, disagreement);
        return 1;
      }
      done += BATCH;
      if (performance.now() - started > seconds * 1000) {
        process.stderr.write(`only ${done} packets in ${seconds} s\n`);
        return 1;
      }
    }
  }
  const took = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(
    `${done} packets for ${scenes} directors in ${took} s, seed ${seed}: program and oracle agree\n`,
  );
  for (const [verdict, count] of [...verdicts].sort(([, a], [, b]) => b - a)) {
    process.stdout.write(`  ${verdict.padEnd(16)}${String(count).padStart(10)}\n`);
  }
  return 0;
}

process.exitCode = await main();
