/** Settings of flows: how long they are remembered, and how many. */

/** After how many seconds without a packet a flow is forgotten, by its state. */
export interface Timeouts {
  readonly synReceived: number;
  readonly established: number;
  readonly finWait: number;
  readonly timeWait: number;
  readonly close: number;
  readonly udp: number;
}

/** Some of an object's values. Defaults stand in for the others. */
export type Overrides<Values> = { readonly [Key in keyof Values]?: Values[Key] | undefined };

/** Returns the defaults with the values that each of the overrides gives; later ones win. */
export function withDefaults<Values extends object>(
  defaults: Values,
  ...overrides: (Overrides<Values> | undefined)[]
): Values {
  const given = overrides.flatMap((each) => Object.entries(each ?? {}).filter(([, value]) => value !== undefined));
  return { ...defaults, ...(Object.fromEntries(given) as Partial<Values>) };
}

/** IPVS's (tcp_timeouts and udp_timeouts in net/netfilter/ipvs). */
export const DEFAULT_TIMEOUTS: Timeouts = {
  synReceived: 60,
  established: 900,
  finWait: 120,
  timeWait: 120,
  close: 10,
  udp: 300,
};

/** 31 days, ipvsadm's longest (MAX_TIMEOUT). */
export const MAX_TIMEOUT = 31 * 86_400;

/** The most flows that are remembered. */
export interface FlowTableSizes {
  readonly ipv4: number;
  readonly ipv6: number;
}

/** 16 MB and 8 MB. */
export const DEFAULT_FLOWS: FlowTableSizes = { ipv4: 1 << 20, ipv6: 1 << 18 };

/** The largest tables: 256 MB and 512 MB. */
export const MAX_FLOWS: FlowTableSizes = { ipv4: 1 << 24, ipv6: 1 << 24 };
