/** Opens the wire with the first check that needs it, closes it after the last, and opens it anew for other ports. */

import type { CheckLoop } from '../wire/check-loop.js';
import { DEFAULT_FIRST_PORT, DEFAULT_PORTS, type PortRange } from '../wire/local-ports.js';
import type { CheckResult } from '../wire/result.js';
import { type FollowFailure, Wire, type WireOptions } from '../wire/wire.js';

/** What the engine needs of a Wire. */
export interface OpenWire {
  readonly checks: CheckLoop;
  readonly portsInUse: PortRange | undefined;
  follow(ifindexes: readonly number[]): FollowFailure[];
  close(): void;
}

export type WireOpener = (options: WireOptions) => Promise<OpenWire>;

const FAILED = 'the wire of health checks failed';

/** A wire that could not be opened is tried again. */
const RETRY_MS = 10_000;

export const DEFAULT_RANGE: PortRange = {
  first: DEFAULT_FIRST_PORT,
  last: DEFAULT_FIRST_PORT + DEFAULT_PORTS - 1,
};

export interface LineOptions {
  readonly open?: WireOpener | undefined;
  readonly onResults: (results: CheckResult[]) => void;
  /** The wire is there. */
  readonly onOpen: () => void;
  /** The wire goes: checks in the air end without results. */
  readonly onLost: () => void;
  readonly onTrouble: (message: string, details: object) => void;
}

export class Line {
  readonly #options: LineOptions;
  #wanted: PortRange | undefined;
  #open: { readonly wire: OpenWire; readonly range: PortRange } | undefined;
  #settling: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #trouble: string | undefined;
  #interfaces: readonly number[] = [];
  /** Why the programs are not on an interface. */
  readonly #failures = new Map<number, string>();

  constructor(options: LineOptions) {
    this.#options = options;
  }

  get wire(): OpenWire | undefined {
    return this.#open?.wire;
  }

  get range(): PortRange {
    return this.#open?.range ?? DEFAULT_RANGE;
  }

  /** Why there is no wire. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Why checks to VIPs cannot leave by an interface. */
  troubleOf(ifindex: number): string | undefined {
    return this.#failures.get(ifindex);
  }

  /** @param range the local ports of checks; undefined: no check needs the wire */
  want(range: PortRange | undefined): void {
    this.#wanted = range;
    this.#settle();
  }

  /** Resolves when the wire is as it is wanted, or cannot be. */
  async settled(): Promise<void> {
    await this.#settling;
  }

  /** The interfaces that lead to VIPs. To call when interfaces come or go, too. */
  follow(interfaces: readonly number[]): void {
    this.#interfaces = interfaces;
    const before = new Map(this.#failures);
    this.#failures.clear();
    for (const { ifindex, error } of this.#open?.wire.follow(interfaces) ?? []) {
      this.#failures.set(ifindex, `the programs for checks cannot be attached: ${error.message}`);
      if (before.get(ifindex) !== this.#failures.get(ifindex)) {
        this.#options.onTrouble('programs for health checks cannot be attached', { ifindex, error: error.message });
      }
    }
  }

  #settle(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    if (this.#wanted === undefined) {
      this.#trouble = undefined;
    }
    if (this.#settling !== undefined || sameRange(this.#wanted, this.#open?.range)) {
      return;
    }
    this.#settling = this.#bringAbout()
      .catch((error: unknown) => {
        this.#options.onTrouble(FAILED, { error: String(error) });
        // What is open is not known to work.
        if (this.#open !== undefined) {
          this.#lose();
        }
        this.#retryLater();
      })
      .finally(() => {
        this.#settling = undefined;
        // Something else may have been wanted since the last look.
        if (this.#retry === undefined) {
          this.#settle();
        }
      });
  }

  async #bringAbout(): Promise<void> {
    while (!sameRange(this.#wanted, this.#open?.range)) {
      if (this.#open !== undefined) {
        this.#lose();
      }
      const range = this.#wanted;
      if (range !== undefined && !(await this.#tryOpen(range))) {
        return;
      }
    }
  }

  async #tryOpen(range: PortRange): Promise<boolean> {
    const {
      open = (options: WireOptions): Promise<OpenWire> => Wire.open(options),
      onResults,
      onTrouble,
    } = this.#options;
    try {
      const wire = await open({ onResults, firstPort: range.first, ports: range.last - range.first + 1 });
      this.#open = { wire, range };
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (this.#trouble === undefined) {
        onTrouble('health checks cannot be made', { error: text });
      }
      this.#trouble = `checks cannot be made: ${text}`;
      this.#retryLater();
      return false;
    }
    this.#trouble = undefined;
    // What was wanted may have changed meanwhile.
    if (sameRange(this.#wanted, range)) {
      this.follow(this.#interfaces);
      const { portsInUse } = this.#open.wire;
      if (portsInUse !== undefined) {
        onTrouble('the kernel may give ports of health checks to other programs: reserve them', portsInUse);
      }
      this.#options.onOpen();
    }
    return true;
  }

  /** Unless nothing is wanted any more. */
  #retryLater(): void {
    clearTimeout(this.#retry);
    if (this.#wanted !== undefined) {
      this.#retry = setTimeout(() => {
        this.#settle();
      }, RETRY_MS).unref();
    }
  }

  /** Whatever fails, there is no wire after this. */
  #lose(): void {
    const wire = this.#open?.wire;
    this.#open = undefined;
    this.#failures.clear();
    for (const each of [this.#options.onLost, () => wire?.close()]) {
      try {
        each();
      } catch (error) {
        this.#options.onTrouble(FAILED, { error: String(error) });
      }
    }
  }

  async close(): Promise<void> {
    this.#wanted = undefined;
    clearTimeout(this.#retry);
    this.#settle();
    await this.#settling;
  }
}

function sameRange(a: PortRange | undefined, b: PortRange | undefined): boolean {
  return a?.first === b?.first && a?.last === b?.last;
}
