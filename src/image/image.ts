/** An image: the result of `compile()`, from which the bytes of all tables follow. */

import { slotMark } from '../layout/index.js';
import type {
  AnyService,
  Destination,
  Family,
  FlowTableSizes,
  IcmpLimits,
  Interface,
  IpAddress,
  MacAddress,
  Model,
  ServicePolicy,
  Timeouts,
  VlanTag,
} from '../model/index.js';
import type { AnswerSource } from './answers.js';
import type { MarkEntry } from './marks.js';
import type { Ring } from './ring.js';
import type { Route } from './routes.js';

/** The part of a model that the data path depends on. */
export type Compilable = Pick<
  Model,
  'services' | 'markServices' | 'markRules' | 'fragments' | 'vlans' | 'directors' | 'timeouts' | 'flows' | 'vrrp'
>;

/** VLANs, each by its tags, the outermost first; or every one. */
export type Vlans = readonly (readonly VlanTag[])[] | 'all';

/** Everything that packets depend on. */
export interface Image {
  /** Ordered by address, port and protocol; services of marked packets come last. */
  readonly services: readonly CompiledService[];
  /** The VIPs and protocols that lead to services of marked packets. */
  readonly markEntries: readonly MarkEntry[];
  /** Services that were removed while flows of them are remembered. compile() knows none: the publisher adds them. */
  readonly ghosts: readonly Ghost[];
  /** The director's interfaces, by index. */
  readonly interfaces: readonly Interface[];
  /** Addresses that no client can have: this host's, without VIPs, in order. */
  readonly own: readonly IpAddress[];
  /** The VLANs whose frames are the director's. */
  readonly vlans: Vlans;
  /** MACs of other directors. */
  readonly directors: readonly MacAddress[];
  /** Bits of enum feature: what the program must be able to do. */
  readonly features: number;
  /** By an interface's index, the addresses from which the director answers what comes by it. */
  readonly answerSources: ReadonlyMap<number, AnswerSource>;
  /** The limits of its answers. Undefined: none. */
  readonly icmpLimits: IcmpLimits | undefined;
  /** The least number of entries of each flow table; 0 if no service of the family needs any. */
  readonly flows: FlowTableSizes;
  readonly timeouts: Timeouts;
}

/** A service, or an entry of a mark's service, that was removed. Its number rests: see renumber(). */
export interface Ghost {
  readonly name: string;
  /** The name of the service: another for an entry of a mark. */
  readonly service: string;
  readonly family: Family;
  /** Where its packets go. Undefined for a mark's service: its entries are ghosts too. */
  readonly place?: Pick<MarkEntry, 'address' | 'protocol' | 'ports'>;
  /** The service's rules by which its flows end. */
  readonly policy: Pick<ServicePolicy, 'timeouts' | 'persistence'>;
  /** Whether TCP packets in the middle of a flow are taken for its flows, because not all of these have entries. */
  readonly lingers: boolean;
}

export interface CompiledService {
  readonly service: AnyService;
  readonly name: string;
  /** In the order that the ring counts in: by address under maglev; otherwise IPVS's, the one added last first. */
  readonly destinations: readonly Destination[];
  /** One for each destination. */
  readonly routes: readonly Route[];
  /**
   * Slot to index into `destinations`: the ring of maglev, the tables of sh, mh and dh, the sequence of rr and wrr.
   * Undefined under the other schedulers, and if no destination takes flows. Equal rings are one object.
   */
  readonly ring: Ring | undefined;
  /** The previous owner of each slot, if any slot moved: an index into `destinations`, SLOT_MARKED or SLOT_UNMOVED. */
  readonly previous?: Uint16Array | undefined;
  /** Whether every flow is remembered. */
  readonly tracks: boolean;
  /** The size that was asked for the ring. */
  readonly slots: number;
  /** How many of the destinations, the last ones, left the service a moment ago; undefined: none. See withLeaving(). */
  readonly leaving?: number;
}

/** In `previous`, a slot that no change touched. */
export const SLOT_UNMOVED = slotMark.unmoved;
/** In `previous`, a slot some of whose flows are remembered. The others go where the slot leads. */
export const SLOT_MARKED = slotMark.marked;
