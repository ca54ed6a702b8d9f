/**
 * Real servers that were removed a moment ago. Scripts remove what they add again, command by command: a flow whose
 * packet comes in between would go to another real server for good, which resets it (ADR 21).
 */

import { type CompiledService, type Image, type Numbering, withLeaving } from '../image/index.js';
import type { IpAddress } from '../model/index.js';

/** How long the flows of a real server that was removed wait for it to come back: longer than between two commands. */
const REMOVED_MS = 2_000;

/** The same when its service was removed and is back without it: a script adds real servers one after another. */
const REBUILT_MS = 10_000;

const NONE: ReadonlyMap<IpAddress, number> = new Map();

/** What is known of a service whose flows may wait. */
interface Known {
  /** The destinations that it has, and their addresses. */
  readonly destinations: CompiledService['destinations'];
  readonly own: ReadonlySet<IpAddress>;
  /** Those that left: until when their flows wait, in milliseconds. */
  readonly left: ReadonlyMap<IpAddress, number>;
}

/** The result for a service, and what it follows from. */
interface Applied {
  readonly base: CompiledService;
  readonly key: string;
  readonly result: CompiledService;
}

export class Leaving {
  /** By service name; undefined before the first publication of this process. */
  #known: ReadonlyMap<string, Known> | undefined;
  #next: ReadonlyMap<string, Known> = new Map();
  readonly #applied = new Map<string, Applied>();

  /**
   * Adds to the services of an image the destinations that left. A service for which nothing changed is the same object as
   * before. `confirm` must follow when packets follow the image.
   *
   * @param numbering has also what was removed with its service
   * @param now milliseconds of a clock that does not jump
   */
  apply(image: Image, numbering: Numbering, now: number): Image {
    const next = new Map<string, Known>();
    const services = image.services.map((compiled) => {
      const { name, service, destinations } = compiled;
      const before = this.#known?.get(name);
      const isSame = before?.destinations === destinations;
      const own = isSame ? before.own : new Set(destinations.map(({ address }) => address));
      const waits = service.unresolved !== 'move' && service.onePacket !== true && this.#known !== undefined;
      const none = !waits || (isSame && before.left.size === 0);
      const left = none ? NONE : this.#leftOf(name, own, numbering, now);
      next.set(name, { destinations, own, left });
      return this.#applyTo(compiled, [...left.keys()]);
    });
    this.#next = next;
    return { ...image, services };
  }

  /** Packets follow the last image. */
  confirm(): void {
    this.#known = this.#next;
  }

  /** Whether some flows need not wait any longer, so that another publication should follow. */
  isDue(now: number): boolean {
    return [...(this.#known?.values() ?? [])].some(({ left }) => [...left.values()].some((until) => now >= until));
  }

  #leftOf(
    name: string,
    own: ReadonlySet<IpAddress>,
    numbering: Numbering,
    now: number,
  ): ReadonlyMap<IpAddress, number> {
    const before = this.#known?.get(name);
    const gone =
      before === undefined
        ? [...(numbering.get(name)?.destinations.keys() ?? [])].map((address) => [address, now + REBUILT_MS] as const)
        : [...[...before.own].map((address) => [address, now + REMOVED_MS] as const), ...before.left];
    return new Map(gone.filter(([address, until]) => !own.has(address) && now < until));
  }

  #applyTo(compiled: CompiledService, addresses: readonly IpAddress[]): CompiledService {
    const { name } = compiled;
    if (addresses.length === 0) {
      this.#applied.delete(name);
      return compiled;
    }
    const key = addresses.join();
    const last = this.#applied.get(name);
    const result = last?.base === compiled && last.key === key ? last.result : withLeaving(compiled, addresses);
    this.#applied.set(name, { base: compiled, key, result });
    return result;
  }
}
