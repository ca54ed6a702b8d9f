/** The histories of all services, kept in a file, so that a restarted daemon goes on where its predecessor was. */

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

import { z } from 'zod';

import {
  advance,
  canMove,
  type CompiledService,
  type History,
  type Image,
  type Moves,
  movesOf,
  type Ring,
  sameSlots,
  SLOT_MARKED,
  type Windows,
  windowsOf,
} from '../image/index.js';
import { MAX_SLOTS, MAX_WEIGHT, MIN_SLOTS, parseIp, SCHEDULER_FLAGS, SCHEDULERS } from '../model/index.js';

/** Raised when what stands in the file means something else. */
const FILE_VERSION = 1;

/** Which part of a service's marked slots must be found without flows before that is worth a publication. */
const FREED_SHARE = 1 / 8;

/** What was made of a service, and all that it was made of. */
interface Attached {
  readonly base: CompiledService;
  readonly history: History;
  readonly windows: Windows;
  readonly until: number;
  readonly result: CompiledService;
}

/** By ring, then by all else that they follow from: services with the same real servers share them as they share rings. */
type Shared = Map<Ring | undefined, Map<string, Moves>>;

export class MoveTracker {
  readonly #path: string | undefined;
  readonly #onTrouble: (error: unknown) => void;
  #unsaved = false;
  #histories = new Map<string, History>();
  /** As they were before the last image. */
  #before: ReadonlyMap<string, History> = new Map();
  /** By slot of a service, whether a flow is remembered that falls on it. */
  readonly #occupied = new Map<string, Uint8Array>();
  readonly #attached = new Map<string, Attached>();
  #until = Infinity;

  /**
   * @param path where histories are kept; undefined: nowhere
   * @param goesOn whether flows are there that the histories are of
   * @param onTrouble told that they could not be kept: packets are served all the same, and it is tried again
   */
  constructor(path: string | undefined, goesOn: boolean, onTrouble: (error: unknown) => void = () => undefined) {
    this.#path = path;
    this.#onTrouble = onTrouble;
    if (path !== undefined && goesOn) {
      this.#histories = readHistories(path);
    }
  }

  /** When something will change by itself, in milliseconds of the wall clock; Infinity for never. */
  get until(): number {
    return this.#until;
  }

  /**
   * An image with what changes left of its services' slots. What did not change is the very same object as before.
   *
   * @param now milliseconds of the wall clock
   */
  attach(image: Image, now: number): Image {
    this.#before = new Map(this.#histories);
    const names = new Set(image.services.map(({ name }) => name));
    for (const name of [...this.#histories.keys()].filter((each) => !names.has(each))) {
      this.#forget(name);
    }
    this.#until = Infinity;
    const shared: Shared = new Map();
    const services = image.services.map((compiled) => {
      if (!canMove(compiled)) {
        this.#forget(compiled.name);
        return compiled;
      }
      return this.#attachTo(compiled, windowsOf(compiled, image.timeouts), now, shared);
    });
    this.#saveChanges();
    return { ...image, services };
  }

  /** The last image was not published: packets never saw what it changed. */
  revert(): void {
    const changed = this.#histories;
    this.#histories = new Map(this.#before);
    this.#before = changed;
    this.#attached.clear();
    this.#saveChanges();
  }

  /**
   * Told by a sweep under which slots of a service flows are remembered. True when that is worth another image.
   *
   * @param swept the service as packets knew it when the sweep began
   */
  setOccupied(swept: CompiledService, occupied: Uint8Array): boolean {
    const { name, previous, tracks } = swept;
    const attached = this.#attached.get(name);
    if (previous === undefined || tracks || attached === undefined) {
      return false;
    }
    // While a slot has a previous owner flows are stored under it, also behind the sweep's back.
    occupy(occupied, previous);
    occupy(occupied, attached.result.previous);
    let [marked, freed] = [0, 0];
    previous.forEach((value, slot) => {
      marked += Number(value === SLOT_MARKED);
      freed += Number(value === SLOT_MARKED && occupied[slot] === 0);
    });
    if (freed === 0 || freed < marked * FREED_SHARE) {
      return false;
    }
    this.#occupied.set(name, occupied);
    this.#attached.set(name, { ...attached, until: -Infinity });
    return true;
  }

  /** Removes the file: there are no flows any more. */
  remove(): void {
    if (this.#path !== undefined) {
      rmSync(this.#path, { force: true });
    }
  }

  #attachTo(compiled: CompiledService, windows: Windows, now: number, shared: Shared): CompiledService {
    const { name } = compiled;
    const last = this.#attached.get(name);
    const before = this.#histories.get(name);
    if (
      last?.base === compiled &&
      last.history === before &&
      last.windows.handshake === windows.handshake &&
      last.windows.silence === windows.silence &&
      now < last.until
    ) {
      this.#until = Math.min(this.#until, last.until);
      return last.result;
    }
    const advanced = advance(before, compiled, now);
    if (advanced !== before && advanced.at(-1)!.marks) {
      // Flows may be anywhere now, whatever was found before.
      this.#occupied.delete(name);
    }
    const occupied = this.#occupied.get(name);
    const { previous, ring, until, history } = sharedMoves(advanced, compiled, windows, now, occupied, shared);
    this.#histories.set(name, history);
    this.#until = Math.min(this.#until, until);
    const same = last?.base === compiled && sameSlots(last.result.previous, previous);
    const result = same ? last.result : previous === undefined ? compiled : { ...compiled, ring, previous };
    this.#attached.set(name, { base: compiled, history, windows, until, result });
    if (occupied !== undefined) {
      occupy(occupied, previous);
    }
    return result;
  }

  #forget(name: string): void {
    this.#occupied.delete(name);
    this.#attached.delete(name);
    this.#histories.delete(name);
  }

  /** Written before it is acted on, and whole or not at all. */
  #saveChanges(): void {
    const [now, before] = [this.#histories, this.#before];
    const same = now.size === before.size && [...now].every(([name, history]) => before.get(name) === history);
    if (this.#path === undefined || (same && !this.#unsaved)) {
      return;
    }
    const temporary = `${this.#path}.new`;
    const content = { version: FILE_VERSION, services: Object.fromEntries(now) };
    try {
      writeFileSync(temporary, JSON.stringify(content), { mode: 0o600 });
      renameSync(temporary, this.#path);
      this.#unsaved = false;
    } catch (error) {
      this.#unsaved = true;
      this.#onTrouble(error);
    }
  }
}

/** Slots with a previous owner are taken for occupied. */
function occupy(occupied: Uint8Array, previous: Uint16Array | undefined): void {
  previous?.forEach((value, slot) => {
    if (value < SLOT_MARKED) {
      occupied[slot] = 1;
    }
  });
}

/** movesOf(), with a ring of its own where something stands behind it: others have it with nothing behind. */
function sharedMoves(
  history: History,
  compiled: CompiledService,
  windows: Windows,
  now: number,
  occupied: Uint8Array | undefined,
  shared: Shared,
): Moves {
  const { ring, destinations, routes, tracks } = compiled;
  const make = (): Moves => {
    const moves = movesOf(history, compiled, windows, now, occupied);
    return moves.previous === undefined ? moves : { ...moves, ring: moves.ring?.slice() };
  };
  if ((occupied !== undefined && !tracks) || (history.length === 1 && !history[0]!.marks)) {
    return make();
  }
  const addresses = destinations.map(({ address }, i) => (routes[i]!.action === 'none' ? '' : address));
  const key = JSON.stringify([history, windows, tracks, addresses]);
  const known = shared.get(ring) ?? new Map<string, Moves>();
  const moves = known.get(key) ?? make();
  shared.set(ring, known.set(key, moves));
  return moves;
}

/** Only what `#saveChanges` can have written: a ring of other figures could not be built. */
const addressSchema = z.string().refine((text) => parseIp(text) === text);

const epochSchema = z
  .object({
    at: z.number(),
    scheduler: z.enum(SCHEDULERS),
    port: z.int().min(0).max(0xffff),
    flags: z.array(z.enum(SCHEDULER_FLAGS)),
    slots: z
      .int()
      .min(MIN_SLOTS)
      .max(MAX_SLOTS)
      .refine((slots) => Number.isInteger(Math.log2(slots))),
    tracks: z.boolean(),
    marks: z.boolean(),
    members: z.array(z.tuple([addressSchema, z.int().min(0).max(MAX_WEIGHT)])),
    gone: z.array(addressSchema),
  })
  .refine(({ slots, members }) => members.length <= slots);

const historiesSchema = z.object({
  version: z.literal(FILE_VERSION),
  services: z.record(z.string(), z.array(epochSchema).min(1)),
});

/** Without them flows that a change moved a moment ago are not known as such: no reason not to start. */
function readHistories(path: string): Map<string, History> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return new Map();
    }
    throw error;
  }
  return new Map(Object.entries(historiesSchema.safeParse(parseJson(text)).data?.services ?? {}));
}

/** Undefined when it is none. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
