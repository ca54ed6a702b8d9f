/** The environment of ipvsadm's commands: a director, names, and a terminal. */

import type { FlowsReport, ServiceTable } from '../control/index.js';
import type { Edit, AnyServiceKey, IpAddress } from '../model/index.js';
import type { Names } from './names.js';

/** The director whose services are listed and changed. */
export interface Director {
  /** @returns warnings @throws BeelineError */
  edit(change: Edit): Promise<readonly string[]>;
  table(): Promise<ServiceTable>;
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
  /** Reads all of standard input. */
  readonly input: () => Promise<string>;
  /** The addresses of the loopback interface, with their prefix lengths. */
  readonly loopback: () => Promise<readonly { readonly address: IpAddress; readonly prefixLength: number }[]>;
  /** The bits that the kernel mixes into its hash of services, for listings in its order; default: HASH_SALT. */
  readonly salt?: number;
}
