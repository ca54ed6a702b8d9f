/** The environment of ipvsadm's commands: a director, names, and a terminal. */

import type { FlowsReport, ServiceTable } from '../control/index.js';
import type { BeelineError, Edit, AnyServiceKey, IpAddress } from '../model/index.js';
import type { Names } from './names.js';

export interface EditsResult {
  readonly warnings: readonly string[];
  /** Why edits were refused, by their places. */
  readonly refused: ReadonlyMap<number, BeelineError>;
}

/** The director whose services are listed and changed. */
export interface Director {
  /** @returns warnings @throws BeelineError */
  edit(change: Edit): Promise<readonly string[]>;
  /**
   * Makes edits in this order, and publishes them together.
   *
   * @param atomic packets see none before they see all
   * @param following about how many are ready to follow
   * @throws BeelineError if none was made
   */
  edits(changes: readonly Edit[], atomic: boolean, following: number): Promise<EditsResult>;
  table(): Promise<ServiceTable>;
  has(service: AnyServiceKey): Promise<boolean>;
  /** @param from where the page before ended; undefined: the first page */
  flows(from: string | undefined): Promise<FlowsReport>;
  /** @throws BeelineError `SERVICE_UNKNOWN` */
  zero(service: AnyServiceKey | undefined): Promise<void>;
}

export interface Environment {
  readonly director: Director;
  readonly names: Names;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Reads standard input piece by piece, as it comes. */
  readonly input: () => AsyncIterable<string>;
  /** The addresses of the loopback interface, with their prefix lengths. */
  readonly loopback: () => Promise<readonly { readonly address: IpAddress; readonly prefixLength: number }[]>;
  /** The bits that the kernel mixes into its hash of services, for listings in its order; default: HASH_SALT. */
  readonly salt?: number;
}
