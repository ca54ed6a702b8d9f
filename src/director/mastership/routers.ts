/** What keepalived said of each virtual router. */

import type { VirtualRouter } from '../../model/index.js';
import { type Notice, parseNotice, type VrrpState } from './notify.js';
import type { KeptInstance } from './store.js';

/** After a master heard another one, it is told so long that there are two. */
const TWO_MASTERS_MS = 10_000;
/** One that has just become master may hear the last advertisements of the one before. */
const SETTLED_MS = 2_000;

/** A virtual router changed its state. */
export interface RouterChange {
  readonly name: string;
  readonly state: VrrpState;
  /** Undefined: keepalived had said nothing yet. */
  readonly before?: VrrpState | undefined;
  readonly priority: number;
}

export interface RoutersOptions {
  readonly clock: () => number;
  readonly kept: readonly KeptInstance[];
  readonly onChange: (change: RouterChange) => void;
  /** A master hears another one; called once until that is over. */
  readonly onTwoMasters: (name: string) => void;
  /** Called once for lines that keepalived does not write, and once for routers that the configuration does not have. */
  readonly onWrong: (message: string) => void;
}

export class Routers {
  readonly #options: RoutersOptions;
  readonly #known = new Map<string, KeptInstance>();
  readonly #twoMasters = new Map<string, number>();
  #names: ReadonlySet<string> | undefined;
  readonly #complained = new Set<string>();

  constructor(options: RoutersOptions) {
    this.#options = options;
    options.kept.forEach((each) => {
      this.#known.set(each.name, each);
    });
  }

  get kept(): readonly KeptInstance[] {
    return [...this.#known.values()];
  }

  find(name: string): KeptInstance | undefined {
    return this.#known.get(name);
  }

  /** The routers that heard another master lately. */
  twoMasters(): readonly string[] {
    const now = this.#options.clock();
    return [...this.#twoMasters].flatMap(([name, at]) => (now - at < TWO_MASTERS_MS ? [name] : []));
  }

  /** Forgets all others. */
  follow(routers: readonly VirtualRouter[]): void {
    const names = new Set(routers.map(({ name }) => name));
    this.#names = names;
    for (const name of [...this.#known.keys(), ...this.#twoMasters.keys()]) {
      if (!names.has(name)) {
        this.#known.delete(name);
        this.#twoMasters.delete(name);
      }
    }
  }

  take(line: string): void {
    const notice = parseNotice(line);
    if (notice === undefined) {
      this.#complain(
        'line',
        `the FIFO has a line that keepalived does not write: ${JSON.stringify(line.slice(0, 100))}`,
      );
    } else if (notice !== 'ignored') {
      this.#notice(notice);
    }
  }

  #notice(notice: Notice): void {
    const { instance: name } = notice;
    if (this.#names?.has(name) !== true) {
      this.#complain(
        'name',
        `keepalived has an instance "${name.slice(0, 100)}" that the configuration does not have; it is ignored`,
      );
      return;
    }
    const { clock, onTwoMasters } = this.#options;
    const known = this.#known.get(name);
    switch (notice.kind) {
      case 'other-master':
        if (known?.state === 'MASTER' && clock() - known.since >= SETTLED_MS) {
          if (!this.twoMasters().includes(name)) {
            onTwoMasters(name);
          }
          this.#twoMasters.set(name, clock());
        }
        return;
      case 'priority':
        if (known !== undefined) {
          this.#known.set(name, { ...known, priority: notice.priority });
        }
        return;
      case 'state':
        this.#change(name, notice.state, notice.priority);
    }
  }

  /** keepalived is gone: nobody knows the state of those that it did not end. */
  lose(): void {
    for (const { name, state, priority } of this.kept) {
      if (state !== 'STOP') {
        this.#change(name, 'UNKNOWN', priority);
      }
    }
  }

  #change(name: string, state: VrrpState, priority: number): void {
    const { clock, onChange } = this.#options;
    const before = this.#known.get(name);
    if (before?.state === state) {
      this.#known.set(name, { ...before, priority });
      return;
    }
    this.#known.set(name, { name, state, since: clock(), priority });
    onChange({ name, state, priority, ...(before !== undefined && { before: before.state }) });
  }

  #complain(of: string, message: string): void {
    if (!this.#complained.has(of)) {
      this.#complained.add(of);
      this.#options.onWrong(message);
    }
  }
}
