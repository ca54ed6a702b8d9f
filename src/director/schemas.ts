/** The shape of a model in a file of the daemon. */

import { z } from 'zod';

import {
  CONDITIONS,
  type FlowTableSizes,
  type MacAddress,
  type MarkRule,
  type MarkService,
  type Model,
  NO_DESTINATION,
  type Overrides,
  type FlowHandOver,
  isMac,
  PROTOCOLS,
  SCHEDULER_FLAGS,
  SCHEDULERS,
  type Service,
  type Timeouts,
  TRACKING,
  TTL_POLICIES,
  UNRESOLVED,
  type VrrpSettings,
} from '../model/index.js';
import { addressSchema, count } from './schema-values.js';
import { healthSchema, healthSettingsSchema, realServerHealthSchema } from './schemas-health.js';

const mac = z.custom<MacAddress>((value) => typeof value === 'string' && isMac(value));

const port = z.int().min(0).max(0xffff);
const protocol = z.enum(PROTOCOLS);
const family = z.union([z.literal(4), z.literal(6)]);
const vlan = z.strictObject({ id: count, outer: count.optional() });

const timeouts: z.ZodType<Overrides<Timeouts>> = z.strictObject({
  synReceived: count.optional(),
  established: count.optional(),
  finWait: count.optional(),
  timeWait: count.optional(),
  close: count.optional(),
  udp: count.optional(),
});

const flows: z.ZodType<Overrides<FlowTableSizes>> = z.strictObject({ ipv4: count.optional(), ipv6: count.optional() });

const destination = z.strictObject({
  address: addressSchema,
  port: port.optional(),
  mac: mac.optional(),
  interface: z.string().optional(),
  vlan: vlan.optional(),
  weight: count,
  upperThreshold: count.optional(),
  lowerThreshold: count.optional(),
  health: realServerHealthSchema.optional(),
  // Of an effective model.
  condition: z
    .strictObject({
      word: z.enum(CONDITIONS).optional(),
      reason: z.string().optional(),
      asked: count,
      configured: count,
      takesNothing: z.literal(true).optional(),
      spare: z.literal(true).optional(),
    })
    .optional(),
});

const policy = {
  scheduler: z.enum(SCHEDULERS),
  flags: z.array(z.enum(SCHEDULER_FLAGS)).optional(),
  track: z.enum(TRACKING).optional(),
  persistence: z.strictObject({ timeout: count, mask: z.union([addressSchema, count]).optional() }).optional(),
  onePacket: z.boolean().optional(),
  timeouts: timeouts.optional(),
  slots: count.optional(),
  ttl: z.enum(TTL_POLICIES).optional(),
  noDestination: z.enum(NO_DESTINATION).optional(),
  unresolved: z.enum(UNRESOLVED).optional(),
  health: healthSchema.optional(),
  essential: z.boolean().optional(),
  destinations: z.array(destination),
};

const service: z.ZodType<Service> = z.strictObject({ address: addressSchema, port, protocol, ...policy });
const markService: z.ZodType<MarkService> = z.strictObject({ mark: count, family, ...policy });

const markRule: z.ZodType<MarkRule> = z.strictObject({
  mark: count,
  match: z.strictObject({ protocol, address: addressSchema, prefixLength: count, firstPort: port, lastPort: port }),
});

const vrrp: z.ZodType<VrrpSettings> = z.strictObject({
  routerName: z.string().optional(),
  instances: z.array(
    z.strictObject({
      name: z.string(),
      interface: z.string(),
      id: count,
      priority: count,
      interval: z.number(),
      addresses: z.array(addressSchema).optional(),
      family: family.optional(),
      peers: z.array(addressSchema).optional(),
      source: addressSchema.optional(),
      vmac: z.boolean().optional(),
      preempt: z.boolean().optional(),
      preemptDelay: z.number().optional(),
    }),
  ),
});

const flowHandOver: z.ZodType<FlowHandOver> = z.strictObject({
  listen: addressSchema,
  peer: addressSchema,
  port,
  tls: z.strictObject({ certificate: z.string(), key: z.string(), authority: z.string() }).optional(),
});

export const modelSchema: z.ZodType<Model> = z.strictObject({
  interfaces: z.array(z.string()),
  mode: z.enum(['native', 'generic', 'auto']),
  fragments: z.boolean().optional(),
  vlans: z.boolean().optional(),
  directors: z.array(z.union([addressSchema, mac])).optional(),
  hostClients: z.boolean().optional(),
  clientBridges: z.array(z.string()).optional(),
  timeouts: timeouts.optional(),
  flows: flows.optional(),
  health: healthSettingsSchema.optional(),
  vrrp: vrrp.optional(),
  flowHandOver: flowHandOver.optional(),
  services: z.array(service),
  markServices: z.array(markService).optional(),
  markRules: z.array(markRule).optional(),
});
