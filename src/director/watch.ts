/**
 * Watches for what forwards packets wrongly, or may: offloads of network cards, real servers that are directors, VIPs that
 * nobody reaches, and pins that will not outlive the daemon.
 */

import { BPF_FS, type DataPlane } from '../dataplane/index.js';
import { healthWarnings, type Model, type Warning } from '../model/index.js';
import { Circles, otherDirectors } from './circles.js';
import type { Offloads } from './offloads.js';
import type { InUse } from './reports/offloads.js';
import type { Vips } from './vips.js';

const PINS_PRIVATE: Warning = {
  code: 'PINS_PRIVATE',
  message: `the BPF file system at ${BPF_FS} is in this process's mount namespace alone, so forwarding ends with that`,
  remedy:
    `mount it on the host ("mount -t bpf bpffs ${BPF_FS}") and let containers see it; instead of "ip netns exec NAME" use ` +
    '"nsenter --net=/run/netns/NAME"',
};

export interface WatchOptions {
  readonly dataPlane: DataPlane;
  readonly offloads: Offloads;
  readonly vips: Vips;
}

export class Watch {
  readonly #options: WatchOptions;
  readonly #circles = new Circles();

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Called before the program is attached. @throws BeelineError `VLAN_TAGS_HIDDEN` */
  requireTags(interfaces: readonly string[], mode: Model['mode']): void {
    this.#options.offloads.requireTags(interfaces, mode);
  }

  /** Mends what may be mended without asking, and returns what else there is to say. */
  async settle(inUse: readonly InUse[], desired: Model): Promise<Warning[]> {
    this.#options.offloads.settle(inUse);
    return this.warnings(inUse, desired);
  }

  /** Returns what there is to say at this moment. */
  async warnings(inUse: readonly InUse[], desired: Model): Promise<Warning[]> {
    const { dataPlane, offloads, vips } = this.#options;
    const { image } = dataPlane;
    if (image === undefined) {
      return [];
    }
    const now = performance.now();
    const { services } = dataPlane.counters();
    this.#circles.update(services, now);
    return [
      ...(await offloads.warnings(inUse)),
      ...otherDirectors(image, desired),
      ...healthWarnings(desired),
      ...this.#circles.warnings(image, now),
      ...(await vips.warnings(desired, image, services, now)),
      ...(dataPlane.endsWithNamespace ? [PINS_PRIVATE] : []),
    ];
  }
}
