/** The histories of all services, kept so that the next daemon goes on where this one was. */

import {
  advance,
  canMove,
  type CompiledService,
  type History,
  type Image,
  keepsFlows,
  type Moves,
  movesOf,
  type Ring,
  sameSlots,
  SLOT_MARKED,
  type Windows,
  windowsOf,
} from '../image/index.js';
import type { Store } from '../store/index.js';
import type { Counters } from './counters.js';
import type { Histories } from './histories.js';
import { cameBetween, completed, type Reading, Traffic } from './traffic.js';

/**
 * How long the history of a service that was removed is kept, in milliseconds: as long as its flows without an entry wait
 * for it (ADR 21).
 */
const REMOVED_MS = 60_000;

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

/** The last epoch of a service, as long as it may turn out that no packet came while it was in force. */
interface LastEpoch {
  /** The service's counters just before packets followed it. */
  readonly reading: Reading;
  /** The history that it was added to, with the epochs that do not matter any more as long as it is there. */
  readonly prior: History | undefined;
}

/** A service of which an image begins another epoch. */
interface Changed {
  readonly reading: Reading;
  /** Its history with the epochs that were left out because no packet came; undefined: none were. */
  readonly whole: History | undefined;
}

/** Reads the counters of all services now. */
type ReadCounters = () => Counters;

/** Returns the reading of a service by its name; unknown: the counters cannot be read. */
type ReadingOf = (name: string) => Reading | 'unknown';

/** Results by ring, then by everything else that they follow from: services with the same real servers share them. */
type Shared = Map<Ring | undefined, Map<string, Moves>>;

export class MoveTracker {
  readonly #store: Store<Histories> | undefined;
  #histories = new Map<string, History>();
  #lasts = new Map<string, LastEpoch>();
  /** As they were before the last image. */
  #before = { histories: this.#histories, lasts: this.#lasts };
  readonly #traffic = new Traffic();
  /** By service: what the last image changed. */
  readonly #changed = new Map<string, Changed>();
  /** Those that were written last. */
  #kept: ReadonlyMap<string, History> = new Map();
  /** By slot of a service, whether a flow is remembered that falls on it. */
  readonly #occupied = new Map<string, Uint8Array>();
  readonly #attached = new Map<string, Attached>();
  /** Since when services are gone whose histories are kept. */
  readonly #removed = new Map<string, number>();
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

  /** When moved slots will change by themselves, in milliseconds since the machine started; Infinity: never. */
  get until(): number {
    return this.#until;
  }

  /**
   * Adds to an image the previous owners of moved slots. A service that did not change is the same object as before.
   * `keep` must follow before packets see the image, and `confirm` when they do.
   *
   * @param now milliseconds since the machine started
   * @param read by default it is not known whether packets came
   */
  attach(image: Image, now: number, read?: ReadCounters): Image {
    this.#before = { histories: new Map(this.#histories), lasts: new Map(this.#lasts) };
    this.#changed.clear();
    const reading = readOnce(read, (counters) => {
      this.#traffic.note(counters, now);
    });
    const names = new Set(image.services.map(({ name }) => name));
    this.#forgetRemoved(names, now);
    this.#until = Infinity;
    const shared: Shared = new Map();
    const services = image.services.map((compiled) => {
      if (!canMove(compiled)) {
        this.#forget(compiled.name);
        return compiled;
      }
      return this.#attachTo(compiled, windowsOf(compiled, image.timeouts), now, shared, reading);
    });
    return { ...image, services };
  }

  /**
   * Looks again, now that packets follow the last image. An epoch that was left out because no packet had come is put
   * back, for the next image, if one came after that was read and before packets followed.
   */
  confirm(now: number, read: ReadCounters): void {
    if (this.#changed.size === 0) {
      return;
    }
    const after = new Map(read().services.map((each) => [each.name, each]));
    for (const [name, { reading, whole }] of this.#changed) {
      const last = this.#lasts.get(name);
      if (last !== undefined) {
        this.#lasts.set(name, { ...last, reading: completed(reading, after.get(name)) });
      }
      if (whole !== undefined && cameBetween(reading, after.get(name))) {
        this.#histories.set(name, whole);
        this.#lasts.delete(name);
        this.#until = now;
      }
    }
    this.#changed.clear();
  }

  /** Takes a reading of the counters: the more often, the better it knows when packets came. */
  note(counters: Counters, now: number): void {
    this.#traffic.note(counters, now);
  }

  /** Forgets the last image, which was not published. `keep` must follow. */
  revert(): void {
    this.#histories = new Map(this.#before.histories);
    this.#lasts = new Map(this.#before.lasts);
    this.#changed.clear();
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

  #attachTo(
    compiled: CompiledService,
    windows: Windows,
    now: number,
    shared: Shared,
    reading: ReadingOf,
  ): CompiledService {
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
    const advanced = this.#advance(before, compiled, windows, now, reading);
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

  /**
   * Adds the service's present state to its history, without the states that no flow can be from: the last one, if no
   * packet came while it was in force; and all, if every flow is remembered but for handshakes, and none can be under way.
   */
  #advance(
    before: History | undefined,
    compiled: CompiledService,
    windows: Windows,
    now: number,
    reading: ReadingOf,
  ): History {
    const { name } = compiled;
    const whole = advance(before, compiled, now);
    if (whole === before) {
      return whole;
    }
    const last = this.#lasts.get(name);
    const current = reading(name);
    this.#lasts.delete(name);
    if (current === 'unknown') {
      return whole;
    }
    const quietSince = this.#traffic.quietSince(name);
    const isQuiet = quietSince !== undefined && now - quietSince > windows.handshake;
    const isUnused = last !== undefined && !cameBetween(last.reading, current);
    const base = isQuiet && before?.every(({ tracks }) => tracks) === true ? undefined : isUnused ? last.prior : before;
    const advanced = advance(base, compiled, now);
    this.#changed.set(name, { whole: base === before ? undefined : whole, reading: current });
    if (advanced !== base) {
      this.#lasts.set(name, { reading: current, prior: base });
    }
    // Else the state of before is back. Packets came in it, or it would not have been kept.
    return advanced;
  }

  /** Forgets the services that have been gone for a while. Of those that left now, only the history is kept. */
  #forgetRemoved(names: ReadonlySet<string>, now: number): void {
    for (const name of names) {
      this.#removed.delete(name);
    }
    for (const [name, history] of [...this.#histories].filter(([each]) => !names.has(each))) {
      const since = this.#removed.get(name) ?? now;
      this.#forget(name);
      if (now - since < REMOVED_MS) {
        this.#removed.set(name, since);
        this.#histories.set(name, history);
      }
    }
  }

  #forget(name: string): void {
    this.#removed.delete(name);
    this.#lasts.delete(name);
    this.#traffic.forget(name);
    this.#occupied.delete(name);
    this.#attached.delete(name);
    this.#histories.delete(name);
  }
}

/** Returns the reading of a service; the counters are read when the first is asked for. */
function readOnce(read: ReadCounters | undefined, onRead: (counters: Counters) => void): ReadingOf {
  let readings: Map<string, Reading> | undefined;
  return (name) => {
    if (read === undefined) {
      return 'unknown';
    }
    if (readings === undefined) {
      const counters = read();
      onRead(counters);
      readings = new Map(counters.services.map((each) => [each.name, each]));
    }
    return readings.get(name);
  };
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
  const { ring, destinations, tracks } = compiled;
  const make = (): Moves => {
    const moves = movesOf(history, compiled, windows, now, occupied);
    return moves.previous === undefined ? moves : { ...moves, ring: moves.ring?.slice() };
  };
  if ((occupied !== undefined && !tracks) || (history.length === 1 && !history[0]!.marks)) {
    return make();
  }
  const addresses = destinations.map(({ address }, i) => (keepsFlows(compiled, i) ? address : ''));
  const key = JSON.stringify([history, windows, tracks, addresses]);
  const known = shared.get(ring) ?? new Map<string, Moves>();
  const moves = known.get(key) ?? make();
  shared.set(ring, known.set(key, moves));
  return moves;
}
