/** Runs thousands of frames at a time through the program, and compares it with the oracle. */

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
const CASE_BYTES = 648;
const HEADER_BYTES = 8;
export const BATCH = 4096;

/** A frame as the program left it, and its verdict. */
export interface JudgedFrame {
  readonly verdict: string;
  readonly frame: Uint8Array;
}

/** A frame on which program and oracle disagree. */
export interface Disagreement {
  /** All frames of the batch up to this one: fragments and flows depend on earlier frames. */
  readonly frames: readonly Uint8Array[];
  readonly expected: Decision;
  readonly actual: JudgedFrame;
}

export class FuzzDirector implements Disposable {
  readonly #publisher = new Publisher({
    create: (geometry, features, before) => MapSet.create(FUZZ_OBJECT, geometry, features, before),
    reload: (from, features) => MapSet.reload(FUZZ_OBJECT, from, features),
    install: () => undefined,
  });
  #image: Image | undefined;
  /** The image without the services that are gone in the second third of each batch. */
  #reduced: Image | undefined;
  #memory: { forgotten: Mapping[]; loads: Mapping; cases: Mapping; cursor: Mapping } | undefined;

  async publish({ model, world, previous = [], gone = [] }: Scene): Promise<void> {
    const image = compile(model, world);
    this.#image = {
      ...image,
      services: image.services.map((service, i) => withPrevious(service, previous[i] ?? [])),
    };
    this.#reduced = gone.length === 0 ? undefined : without(this.#image, gone);
    await this.#publish(this.#image);
  }

  async #publish(image: Image): Promise<void> {
    await this.#publisher.publish(image);
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

  /** Forgets all fragments and flows, and runs at most BATCH frames in order. */
  run(frames: readonly Uint8Array[]): JudgedFrame[] {
    this.#forget();
    return this.runMore(frames);
  }

  #forget(): void {
    const { forgotten, loads } = this.#memory!;
    for (const memory of forgotten) {
      memory.zero(0, memory.byteLength);
    }
    forgetLoads(loads);
  }

  /** Runs at most BATCH frames in order. Fragments and flows of earlier ones stay. */
  runMore(frames: readonly Uint8Array[]): JudgedFrame[] {
    const { cases, cursor } = this.#memory!;
    write(cases, frames);
    cursor.store32(0, 0);
    const program = this.#publisher.set!.programs.get('fuzz')!;
    program.run({ data: new Uint8Array(512), repeat: frames.length });
    return read(cases, frames.length);
  }

  /**
   * Runs frames through both and returns the first disagreement; undefined if they agree on every byte.
   *
   * @param verdicts the verdicts of the frames are counted here
   */
  async compare(frames: readonly Uint8Array[], verdicts?: Map<string, number>): Promise<Disagreement | undefined> {
    let oracle = new Oracle(this.#image!);
    const images = this.#reduced === undefined ? [] : [this.#reduced, this.#image!];
    const part = Math.ceil(frames.length / (images.length + 1));
    const judged = this.run(frames.slice(0, part));
    const expected = frames.slice(0, part).map((frame) => oracle.decide(frame));
    for (const [i, image] of images.entries()) {
      await this.#publish(image);
      oracle = new Oracle(this.#publisher.image!, oracle);
      // A publication may be followed by a sweep, at a time that the oracle does not know: so one always comes here.
      await this.#publisher.settle();
      await this.#publisher.sweep([]);
      oracle.sweep();
      const more = frames.slice((i + 1) * part, (i + 2) * part);
      judged.push(...this.runMore(more));
      expected.push(...more.map((frame) => oracle.decide(frame)));
    }
    if (images.length > 0) {
      // The turns of sequences begin where they begin for the oracle.
      this.#forget();
      await this.#publish(this.#image!);
      await this.#publisher.settle();
    }
    for (const [i, wanted] of expected.entries()) {
      const actual = judged[i]!;
      if (actual.verdict !== wanted.verdict || Buffer.compare(actual.frame, wanted.frame) !== 0) {
        return { frames: frames.slice(0, i + 1), expected: wanted, actual };
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

function without({ services, markEntries, ...image }: Image, gone: readonly string[]): Image {
  return {
    ...image,
    services: services.filter(({ name }) => !gone.includes(name)),
    markEntries: markEntries.filter(({ name, service }) => !gone.includes(name) && !gone.includes(service)),
  };
}

/** Returns a compiled service with slots that a change moved, by a pattern that repeats. */
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

/** Clears the counts of loads and the marks that depend on them. Thresholds stay. */
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
    // No verdict has this number, so a frame that the program did not see is noticed.
    view.setUint32(i * CASE_BYTES + 4, 0xffff_ffff, true);
    bytes.set(frame, i * CASE_BYTES + HEADER_BYTES);
  });
  cases.write(0, bytes);
}

function read(cases: Mapping, count: number): JudgedFrame[] {
  const bytes = cases.read(0, new Uint8Array(count * CASE_BYTES));
  const view = new DataView(bytes.buffer);
  return Array.from({ length: count }, (_, i) => {
    const at = i * CASE_BYTES;
    const number = view.getUint32(at + 4, true);
    const verdict = VERDICTS.find((name) => layout.verdict[name] === number) ?? `no verdict (${number})`;
    return { verdict, frame: bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + view.getUint32(at, true)) };
  });
}
