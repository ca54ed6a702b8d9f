/** Cases that the fuzzer found, saved as files. Every test run repeats them. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { ip, type Resolution } from '../../src/model/index.js';
import { fromHex, hex } from './packets.js';
import type { Scene } from './scenes.js';

export const FIXTURES = 'test/fuzz/fixtures';

export interface Fixture {
  readonly name: string;
  readonly scene: Scene;
  readonly frames: readonly Uint8Array[];
}

interface Written {
  readonly what: string;
  readonly model: Scene['model'];
  readonly interfaces: Scene['world']['interfaces'];
  readonly resolutions: Readonly<Record<string, Resolution>>;
  readonly own?: Scene['world']['own'];
  readonly previous?: Scene['previous'];
  readonly gone?: Scene['gone'];
  readonly frames: readonly string[];
}

/** Writes a case to a folder and returns the file's path. */
export function saveFixture(
  directory: string,
  name: string,
  what: string,
  scene: Scene,
  frames: readonly Uint8Array[],
): string {
  const { model, world, previous, gone } = scene;
  const written: Written = {
    what,
    model,
    interfaces: world.interfaces,
    resolutions: Object.fromEntries(world.resolutions),
    own: world.own,
    previous,
    gone,
    frames: frames.map(hex),
  };
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${name}.json`);
  writeFileSync(path, `${JSON.stringify(written, undefined, 2)}\n`);
  return path;
}

export function loadFixtures(): Fixture[] {
  return readdirSync(FIXTURES)
    .filter((file) => file.endsWith('.json'))
    .map((file) => {
      const { what, model, interfaces, resolutions, own, previous, gone, frames } = JSON.parse(
        readFileSync(join(FIXTURES, file), 'utf8'),
      ) as Written;
      const resolved = Object.entries(resolutions).map(([address, each]) => [ip(address), each] as const);
      const world = { interfaces, resolutions: new Map(resolved), ...(own && { own }) };
      const scene = { model, world, ...(previous && { previous }), ...(gone && { gone }) };
      return { name: `${file}: ${what}`, scene, frames: frames.map(fromHex) };
    });
}
