/** The shape of health in a model in a file of the daemon. */

import { z } from 'zod';

import {
  AGENT_WAYS,
  type Check,
  DNS_RCODES,
  DNS_RECORDS,
  type HealthPolicy,
  type HealthSettings,
  INITIALLY,
  ON_FAILURE,
  READY_DIALOGUES,
  type RealServerHealth,
} from '../model/index.js';
import { addressSchema, count } from './schema-values.js';

const port = z.int().min(1).max(0xffff);
const seconds = z.number().min(0);
const text = z.string().optional();
const command = z.array(z.string()).min(1);

const timing = {
  interval: seconds.optional(),
  timeout: seconds.optional(),
  fastInterval: seconds.optional(),
  jitter: seconds.optional(),
  rise: count.optional(),
  fall: count.optional(),
};

const settings = {
  ...timing,
  via: z.enum(['vip', 'rip']).optional(),
  address: addressSchema.optional(),
  port: port.optional(),
  every: count.optional(),
};

const tlsSettings = {
  sni: text,
  alpn: z.array(z.string()).optional(),
  verify: z.boolean().optional(),
  ca: text,
  expiryDays: count.optional(),
};
const tls = { ...tlsSettings, tls: z.boolean().optional() };

const request = {
  method: text,
  path: text,
  host: text,
  headers: z.record(z.string(), z.string()).optional(),
  status: z.array(z.strictObject({ first: count, last: count })).optional(),
  body: text,
};
const requests = { ...request, requests: z.array(z.strictObject(request)).optional() };

const check: z.ZodType<Check> = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('tcp'), ...settings }),
  z.strictObject({ type: z.literal('http'), ...requests, ...settings }),
  z.strictObject({ type: z.literal('https'), ...requests, ...tlsSettings, ...settings }),
  z.strictObject({ type: z.literal('tls'), ...tlsSettings, ...settings }),
  z.strictObject({
    type: z.literal('dns'),
    name: z.string(),
    record: z.enum(DNS_RECORDS).optional(),
    rcode: z.enum(DNS_RCODES).optional(),
    answer: text,
    ...settings,
  }),
  z.strictObject({ type: z.literal('udp'), send: text, reply: text, mask: text, ...settings }),
  z.strictObject({ type: z.literal('ping'), ...settings }),
  z.strictObject({
    type: z.literal('send-expect'),
    steps: z.array(z.strictObject({ expect: text, send: text })),
    ...tls,
    ...settings,
  }),
  z.strictObject({ type: z.enum(READY_DIALOGUES), ...tls, ...settings }),
  z.strictObject({ type: z.literal('exec'), command, ...settings }),
  z.strictObject({
    type: z.literal('agent'),
    by: z.enum(AGENT_WAYS).optional(),
    path: text,
    send: text,
    command: command.optional(),
    ...settings,
  }),
  z.strictObject({ type: z.literal('file'), path: z.string(), ...settings }),
]);

const common = { ...timing, initially: z.enum(INITIALLY).optional(), slowStart: seconds.optional() };

export const realServerHealthSchema: z.ZodType<RealServerHealth> = z.strictObject({
  checks: z.array(check).optional(),
  ...common,
});

export const healthSchema: z.ZodType<HealthPolicy> = z.strictObject({
  checks: z.array(check),
  ...common,
  onFailure: z.enum(ON_FAILURE).optional(),
  quorum: z.strictObject({ weight: count, hysteresis: count.optional() }).optional(),
  damping: z.strictObject({ changes: count, within: seconds, hold: seconds }).optional(),
  fallback: z.array(addressSchema).optional(),
  panic: z.boolean().optional(),
});

export const healthSettingsSchema: z.ZodType<HealthSettings> = z.strictObject({
  ports: z.strictObject({ first: port, last: port }).optional(),
  hooks: z
    .array(z.strictObject({ command: command.optional(), url: text, secretFile: text, timeout: seconds.optional() }))
    .optional(),
});
