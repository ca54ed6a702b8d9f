/** The histories of all services, kept so that the next daemon goes on where this one was. */

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
import {
  type IpAddress,
  MAX_SLOTS,
  MAX_WEIGHT,
  MIN_SLOTS,
  parseIp,
  SCHEDULER_FLAGS,
  SCHEDULERS,
} from '../model/index.js';
import type { Format, Store } from '../store/index.js';

/** Histories by the name of the service. */
export type Histories = Readonly<Record<string, History>>;

/** A publication follows when at least this part of a service's marked slots has no flows any more. */
const FREED_SHARE = 1 / 8;

/** The result for a service, and everything that it follows from. */
interface Attached {
  readonly base: CompiledService;
  readonly history: History;
  readonly windows: Windows;
  readonly until: number;
  readonly result: CompiledService;
}

/** Results by ring, then by everything else that they follow from: services with the same real servers share them. */
type Shared = Map<Ring | undefined, Map<string, Moves>>;

export class MoveTracker {
  readonly #store: Store<Histories> | undefined;
  #histories = new Map<string, History>();
  /** The histories before the last image. */
  #before: ReadonlyMap<string, History> = new Map();
  /** Those that were written last. */
  #kept: ReadonlyMap<string, History> = new Map();
  /** By slot of a service, whether a flow is remembered that falls on it. */
  readonly #occupied = new Map<string, Uint8Array>();
  readonly #attached = new Map<string, Attached>();
  #until = Infinity;

  /**
   * @param store keeps the histories; undefined: nothing does
   * @param goesOn whether the flows that the kept histories are about still exist
   */
  constructor(store: Store<Histories> | undefined, goesOn: boolean) {
    this.#store = store;
    if (goesOn) {
      this.#histories = new Map(Object.entries(store?.load() ?? {}));
      this.#kept = this.#histories;
    } else {
      void store?.clear();
    }
  }

  /** When moved slots will change by themselves, in milliseconds of the wall clock; Infinity: never. */
  get until(): number {
    return this.#until;
  }

  /**
   * Adds to an image the previous owners of moved slots. A service that did not change is the same object as before.
   * `keep` must follow before packets see the image.
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
    return { ...image, services };
  }

  /** Forgets the last image, which was not published. `keep` must follow. */
  revert(): void {
    this.#histories = new Map(this.#before);
    this.#attached.clear();
  }

  /** Writes the histories if they changed. Never rejects: see Store. */
  async keep(): Promise<void> {
    const [now, kept] = [this.#histories, this.#kept];
    const isSame = now.size === kept.size && [...now].every(([name, history]) => kept.get(name) === history);
    if (!isSame) {
      this.#kept = new Map(now);
      await this.#store?.save(Object.fromEntries(now));
    }
  }

  /**
   * Takes from a sweep under which slots of a service flows are remembered. Returns whether another image should follow.
   *
   * @param swept the service as packets knew it when the sweep began
   */
  setOccupied(swept: CompiledService, occupied: Uint8Array): boolean {
    const { name, previous, tracks } = swept;
    const attached = this.#attached.get(name);
    if (previous === undefined || tracks || attached === undefined) {
      return false;
    }
    // While a slot has a previous owner, flows are stored under it, also where the sweep has passed already.
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
  async remove(): Promise<void> {
    await this.#store?.clear();
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
      // Flows may be under any slot now, whatever the last sweep found.
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
}

/** Marks slots that have a previous owner as occupied. */
function occupy(occupied: Uint8Array, previous: Uint16Array | undefined): void {
  previous?.forEach((value, slot) => {
    if (value < SLOT_MARKED) {
      occupied[slot] = 1;
    }
  });
}

/**
 * Returns movesOf(). Where slots have previous owners the ring is a copy: services without them share the original.
 */
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

/** No more than `keep` can have written: a ring of other sizes could not be built. */
const addressSchema = z.custom<IpAddress>((value) => typeof value === 'string' && parseIp(value) === value);

const epochSchema = z
  .strictObject({
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

/** The content of a file that an older program wrote. */
const plainSchema = z.object({ version: z.literal(1), services: z.unknown() });

/** Without histories, flows that a change has just moved are not recognised as such: no reason not to start. */
export const historiesFormat: Format<Histories> = {
  title: 'beeline-history',
  version: 1,
  noun: 'histories of moved slots',
  schema: z.record(z.string(), z.array(epochSchema).min(1)),
  fromPlain: (json) => plainSchema.safeParse(json).data?.services,
};
