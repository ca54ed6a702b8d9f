/** Places for what costs the processor: a few begin at once, and those that then wait for others hold no place. */

/** What takes longer waits for somebody, and costs nothing meanwhile. */
const HELD_MS = 50;

export class Places {
  readonly #onFree: () => void;
  readonly #waiting: (() => void)[] = [];
  #free: number;

  /** @param onFree called when a place is free and nobody waits for it here */
  constructor(most: number, onFree: () => void = () => undefined) {
    this.#free = most;
    this.#onFree = onFree;
  }

  /** Returns what gives the place back, which happens soon by itself; undefined: none is free. */
  tryTake(): (() => void) | undefined {
    if (this.#free <= 0) {
      return undefined;
    }
    this.#free -= 1;
    let isHeld = true;
    const release = (): void => {
      if (isHeld) {
        isHeld = false;
        clearTimeout(timer);
        this.#free += 1;
        (this.#waiting.shift() ?? this.#onFree)();
      }
    };
    const timer = setTimeout(release, HELD_MS);
    return release;
  }

  /** Resolves when a place is free, with what gives it back. */
  async take(): Promise<() => void> {
    for (;;) {
      const release = this.tryTake();
      if (release !== undefined) {
        return release;
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}
