/** Commands that change a running director, and what they see of it: edits, ipvsadm's counters and its table. */

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

import { z } from 'zod';

import type { EditReport, Handlers } from '../../control/index.js';
import type { DataPlane } from '../../dataplane/index.js';
import {
  allServices,
  type AnyService,
  BeelineError,
  edit,
  type Edit,
  type EditKey,
  editKeyName,
  editWarnings,
  type Model,
} from '../../model/index.js';
import type { Director } from '../director.js';
import type { Logger } from '../log.js';
import type { Drains } from '../overlays/drains.js';
import { ESTIMATE_MS } from '../reports/rates.js';
import { reportTable } from '../reports/table.js';
import { type Offsets, Tallies } from '../reports/tally.js';

export interface EditingOptions {
  readonly director: Director;
  readonly drains: Drains;
  readonly dataPlane: DataPlane;
  readonly talliesPath: string;
  readonly log: Logger;
  /** What is to be said of every edit at this moment, in words. */
  readonly warnings?: () => readonly string[];
}

export class Editing implements Disposable {
  readonly #options: EditingOptions;
  readonly #tallies: Tallies;
  readonly #timer: NodeJS.Timeout;
  #estimatedAt = performance.now();
  #stopped = false;

  constructor(options: EditingOptions) {
    this.#options = options;
    this.#tallies = new Tallies(readOffsets(options.talliesPath));
    this.#observe();
    this.#timer = setInterval(() => {
      this.#estimate();
    }, ESTIMATE_MS);
  }

  get handlers(): Pick<Handlers, 'edit' | 'zero' | 'table'> {
    return {
      edit: ({ edit: change }) => this.#edit(change),
      zero: ({ service }) => this.#zero(service),
      table: () => {
        const { director, drains, dataPlane } = this.#options;
        this.#observe();
        return reportTable({
          model: drains.apply(director.model),
          image: dataPlane.image?.services ?? [],
          flowCounts: dataPlane.flowCounts(),
          tallies: this.#tallies,
        });
      },
    };
  }

  /** Reads no more counters, and keeps where they begin. */
  stop(): void {
    if (!this.#stopped) {
      this.#stopped = true;
      clearInterval(this.#timer);
      this.#keep();
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #edit(change: Edit): Promise<EditReport> {
    const { director, drains, log, warnings } = this.#options;
    const about = realServerOf(change);
    const takes = change.kind.startsWith('delete') || change.kind === 'clear';
    if (takes) {
      // Of who goes, to the last packet: the service keeps it.
      this.#observe();
    }
    const model = await director.update({
      // One that was drained and is out comes back by being added.
      apply: (before) =>
        edit(change.kind === 'add-destination' ? drains.withoutRemoved(before, about) : before, change),
      ends: about,
    });
    if (change.kind === 'add-destination' && about !== undefined && this.#tallies.has(about.service, about.address)) {
      this.#observe();
      this.#tallies.zero(about.service, about.address);
      this.#keep();
    } else if (takes) {
      this.#observe();
      this.#keep();
    }
    log.info({ edit: change.kind, ...nameOf(change) }, 'changed by a command');
    return { warnings: [...editWarnings(model, change), ...(warnings?.() ?? [])] };
  }

  #zero(service: EditKey | undefined): Record<string, never> {
    const { director } = this.#options;
    const name = service === undefined ? undefined : editKeyName(service);
    if (name !== undefined && !names(director.model).includes(name)) {
      throw new BeelineError('SERVICE_UNKNOWN', `there is no service ${name}`, {
        hint: '"beeline ipvsadm -Ln" lists them.',
      });
    }
    this.#observe();
    this.#tallies.zero(name);
    this.#keep();
    return {};
  }

  #observe(): void {
    this.#tallies.observe(this.#options.dataPlane.counters());
  }

  #estimate(): void {
    const now = performance.now();
    this.#observe();
    this.#tallies.estimate((now - this.#estimatedAt) / 1000);
    this.#estimatedAt = now;
  }

  #keep(): void {
    const { talliesPath: path, log } = this.#options;
    const { offsets } = this.#tallies;
    try {
      if (Object.keys(offsets).length === 0) {
        rmSync(path, { force: true });
        return;
      }
      writeFileSync(`${path}.new`, JSON.stringify(offsets), { mode: 0o600 });
      renameSync(`${path}.new`, path);
    } catch (error) {
      log.error({ err: error }, 'cannot keep where counters begin: a restart would count from elsewhere');
    }
  }
}

function names(model: Model): string[] {
  return allServices(model).map((service: AnyService) => editKeyName(service));
}

/** The real server that an edit says anew what holds for. */
function realServerOf(change: Edit): { service: string; address: string } | undefined {
  switch (change.kind) {
    case 'add-destination':
    case 'edit-destination':
      return { service: editKeyName(change.service), address: change.destination.address };
    case 'delete-destination':
      return { service: editKeyName(change.service), address: change.address };
    default:
      return undefined;
  }
}

/** What an edit is about, for the log. */
function nameOf(change: Edit): Record<string, string> {
  return {
    ...('service' in change ? { service: editKeyName(change.service) } : {}),
    ...('destination' in change ? { realServer: change.destination.address } : {}),
    ...('address' in change ? { realServer: change.address } : {}),
  };
}

const traffic = z.object({ connections: z.number(), packets: z.number(), bytes: z.number() });
const offsetsSchema = z.record(z.string(), z.object({ own: traffic, destinations: z.record(z.string(), traffic) }));

/** None when what stands there are none: no reason not to start. */
function readOffsets(path: string): Offsets {
  try {
    return offsetsSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    if (
      (error as NodeJS.ErrnoException).code === 'ENOENT' ||
      error instanceof SyntaxError ||
      error instanceof z.ZodError
    ) {
      return {};
    }
    throw error;
  }
}
