/** Where the program is attached, kept to the interfaces that the model asks for. */

import type { InterfaceReport } from '../control/index.js';
import type { Attachment, DataPlane } from '../dataplane/index.js';
import type { Interface, Model } from '../model/index.js';
import type { Network } from '../net/index.js';
import type { Logger } from './log.js';
import type { InUse } from './reports/offloads.js';

export interface AttachmentsOptions {
  readonly network: Network;
  readonly dataPlane: DataPlane;
  readonly log: Logger;
  /** Take interfaces over from other XDP programs. */
  readonly replace: boolean;
}

type Attached = Omit<Attachment, 'adopted'> & { readonly ifindex: number; readonly fromHost: boolean };

export class Attachments {
  readonly #options: AttachmentsOptions;
  readonly #attached = new Map<string, Attached>();

  constructor(options: AttachmentsOptions) {
    this.#options = options;
  }

  /** Attaches the program to those of these interfaces that it is not attached to yet. @throws what DataPlane.attach throws */
  add(wanted: readonly Interface[], mode: Model['mode']): void {
    const { dataPlane } = this.#options;
    this.#attachAll(
      wanted.filter(({ ifindex }) => !dataPlane.isAttached(ifindex)),
      mode,
    );
  }

  /** Attaches the program to all of these interfaces and detaches it from all others. @throws what DataPlane.attach throws */
  follow(wanted: readonly Interface[], mode: Model['mode']): void {
    this.#attachAll(wanted, mode);
    this.#detachAllBut(new Set(wanted.map(({ ifindex }) => ifindex)));
  }

  /** The interfaces that the program is attached to but the host's own, and the mode of each. */
  get inUse(): InUse[] {
    return [...this.#attached].flatMap(([name, { mode, fromHost }]) => (fromHost ? [] : [{ name, mode }]));
  }

  report(names: readonly string[]): InterfaceReport[] {
    const { network, dataPlane } = this.#options;
    return names.map((name) => {
      const link = network.link(name);
      const attached = this.#attached.get(name);
      return {
        name,
        // An interface that came back is another one, and the program is not attached to it yet.
        state: link === undefined ? 'missing' : dataPlane.isAttached(link.ifindex) ? 'attached' : 'failed',
        mode: attached?.mode,
        ifindex: link?.ifindex,
        mac: link?.mac,
        reason: attached?.nativeRefusal,
      };
    });
  }

  #attachAll(targets: readonly Interface[], mode: Model['mode']): void {
    for (const target of targets) {
      // Of a veth, native mode would drop what the host leaves to a card.
      this.#attach(target, target.fromHost === true ? 'generic' : mode);
    }
  }

  #attach(target: Interface, wantedMode: Model['mode']): void {
    const { dataPlane, log, replace } = this.#options;
    const { adopted, ...attachment } = dataPlane.attach(target, { mode: wantedMode, replace });
    if (adopted && this.#attached.get(target.name)?.ifindex === target.ifindex) {
      return;
    }
    this.#attached.set(target.name, { ...attachment, ifindex: target.ifindex, fromHost: target.fromHost === true });
    const { mode, nativeRefusal: reason } = attachment;
    if (reason !== undefined) {
      log.warn({ interface: target.name, mode, reason }, 'attached in generic mode, which is slower');
    } else {
      log.info({ interface: target.name, mode }, adopted ? 'attached already' : 'attached');
    }
  }

  #detachAllBut(wanted: ReadonlySet<number>): void {
    const { dataPlane, log } = this.#options;
    for (const ifindex of dataPlane.attachedTo.filter((each) => !wanted.has(each))) {
      dataPlane.detach(ifindex);
      log.info({ ifindex }, 'detached');
    }
    for (const [name, { ifindex }] of this.#attached) {
      if (!wanted.has(ifindex)) {
        this.#attached.delete(name);
      }
    }
  }
}
