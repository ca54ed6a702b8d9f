/** The real program, thousands of frames at a time, and the oracle beside it. */

import { MapSet, Publisher } from '../../src/dataplane/index.js';
import { compile, type CompiledService, type Image, type Numbering, SLOT_MARKED } from '../../src/image/index.js';
import * as layout from '../../src/layout/index.js';
import { VERDICTS } from '../../src/layout/index.js';
import type { Mapping } from '../../src/libbpf/index.js';
import { isHashing } from '../../src/model/index.js';
import { type Decision, Oracle } from '../../src/oracle/index.js';
import type { Scene } from './scenes.js';

const FUZZ_OBJECT = 'dist/test/bpf/fuzz.bpf.o';

/** struct fuzz_case and CASES in test/bpf/fuzz.bpf.c. */
const CASE_BYTES = 520;
const HEADER_BYTES = 8;
export const BATCH = 4096;

/** What became of a frame. */
export interface Outcome {
  readonly verdict: string;
  readonly frame: Uint8Array;
}

/** A frame of which program and oracle do not think the same. */
export interface Disagreement {
  /** All frames of the batch up to it: fragments depend on what came before. */
  readonly frames: readonly Uint8Array[];
  readonly expected: Decision;
  readonly actual: Outcome;
}

export class FuzzDirector implements Disposable {
  readonly #publisher = new Publisher({
    create: (geometry, features, before) => MapSet.create(FUZZ_OBJECT, geometry, features, before),
    reload: (from, features) => MapSet.reload(FUZZ_OBJECT, from, features),
    install: () => undefined,
  });
  #image: Image | undefined;
  #memory: { forgotten: Mapping[]; loads: Mapping; cases: Mapping; cursor: Mapping } | undefined;

  async publish({ model, world, previous = [] }: Scene): Promise<void> {
    const image = compile(model, world);
    this.#image = {
      ...image,
      services: image.services.map((service, i) => withPrevious(service, previous[i] ?? [])),
    };
    await this.#publisher.publish(this.#image);
    this.#closeMemory();
    const memoryOf = (name: string): Mapping => this.#publisher.set!.maps.get(name)!.mmap('write');
    this.#memory = {
      forgotten: ['fragments4', 'fragments6', 'flows4', 'flows6', 'cursors'].map(memoryOf),
      loads: memoryOf('loads'),
      cases: memoryOf('fuzz_cases'),
      cursor: memoryOf('.data.fuzz'),
    };
  }

  /** The director's maps. */
  get set(): MapSet {
    return this.#publisher.set!;
  }

  get image(): Image {
    return this.#image!;
  }

  get numbering(): Numbering {
    return this.#publisher.numbering;
  }

  /** Runs at most BATCH frames, in order, and returns what became of each. All fragments and flows are forgotten before. */
  run(frames: readonly Uint8Array[]): Outcome[] {
    const { forgotten, loads } = this.#memory!;
    for (const memory of forgotten) {
      memory.zero(0, memory.byteLength);
    }
    forgetLoads(loads);
    return this.goOn(frames);
  }

  /** The same, and nothing is forgotten. */
  goOn(frames: readonly Uint8Array[]): Outcome[] {
    const { cases, cursor } = this.#memory!;
    write(cases, frames);
    cursor.store32(0, 0);
    const program = this.#publisher.set!.programs.get('fuzz')!;
    program.run({ data: new Uint8Array(512), repeat: frames.length });
    return read(cases, frames.length);
  }

  /**
   * Runs frames through both; undefined when they agree on every byte.
   *
   * @param verdicts counts what the frames came to
   */
  compare(frames: readonly Uint8Array[], verdicts?: Map<string, number>): Disagreement | undefined {
    const oracle = new Oracle(this.#image!);
    const outcomes = this.run(frames);
    for (const [i, frame] of frames.entries()) {
      const expected = oracle.decide(frame);
      const actual = outcomes[i]!;
      if (actual.verdict !== expected.verdict || Buffer.compare(actual.frame, expected.frame) !== 0) {
        return { frames: frames.slice(0, i + 1), expected, actual };
      }
      verdicts?.set(actual.verdict, (verdicts.get(actual.verdict) ?? 0) + 1);
    }
    return undefined;
  }

  #closeMemory(): void {
    const { forgotten = [], loads, cases, cursor } = this.#memory ?? {};
    [...forgotten, loads, cases, cursor].forEach((memory) => memory?.close());
  }

  close(): void {
    this.#closeMemory();
    this.#publisher.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A compiled service some of whose slots a change moved, as a pattern says. */
function withPrevious(service: CompiledService, pattern: readonly number[]): CompiledService {
  const { ring, destinations, service: asked } = service;
  if (ring === undefined || !isHashing(asked.scheduler) || asked.onePacket === true || pattern.length === 0) {
    return service;
  }
  const previous = ring.map((_, slot) => {
    const value = pattern[slot % pattern.length]!;
    return value >= SLOT_MARKED ? value : value % destinations.length;
  });
  return { ...service, ring: ring.slice(), previous };
}

/** Counts and what follows from them; thresholds stay. */
function forgetLoads(loads: Mapping): void {
  const { byteLength, flows, overload, member } = layout.load;
  for (let at = 0; at < loads.byteLength; at += byteLength) {
    loads.zero(at + flows.offset, flows.size);
    loads.zero(at + overload.offset, overload.size);
    loads.zero(at + member.offset, member.size);
  }
}

function write(cases: Mapping, frames: readonly Uint8Array[]): void {
  const bytes = new Uint8Array(frames.length * CASE_BYTES);
  const view = new DataView(bytes.buffer);
  frames.forEach((frame, i) => {
    view.setUint32(i * CASE_BYTES, frame.length, true);
    // A verdict that does not exist: should the program not run, it shows.
    view.setUint32(i * CASE_BYTES + 4, 0xffff_ffff, true);
    bytes.set(frame, i * CASE_BYTES + HEADER_BYTES);
  });
  cases.write(0, bytes);
}

function read(cases: Mapping, count: number): Outcome[] {
  const bytes = cases.read(0, new Uint8Array(count * CASE_BYTES));
  const view = new DataView(bytes.buffer);
  return Array.from({ length: count }, (_, i) => {
    const at = i * CASE_BYTES;
    const number = view.getUint32(at + 4, true);
    const verdict = VERDICTS.find((name) => layout.verdict[name] === number) ?? `no verdict (${number})`;
    return { verdict, frame: bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + view.getUint32(at, true)) };
  });
}
