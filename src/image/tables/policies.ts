/** The table of policies: by a service's number, how its flows are scheduled. And the candidates that schedulers weigh. */

import * as layout from '../../layout/index.js';
import {
  addressBits,
  type AnyService,
  type Family,
  familyOfService,
  hashesPort,
  ipBytes,
  type Scheduler,
} from '../../model/index.js';
import { keepsFlows } from '../held.js';
import type { CompiledService } from '../image.js';
import type { ServiceNumbers } from '../numbering.js';

/** Each scheduler's name in the program, which follows a sequence under rr, wrr and dh. */
export const PROGRAM_SCHEDULER = {
  maglev: 'maglev',
  mh: 'mh',
  sh: 'sh',
  rr: 'sequence',
  wrr: 'sequence',
  dh: 'sequence',
  lc: 'lc',
  wlc: 'wlc',
  sed: 'sed',
  nq: 'nq',
  fo: 'fo',
  ovf: 'ovf',
  lblc: 'lblc',
  lblcr: 'lblcr',
  twos: 'twos',
} as const satisfies Record<Scheduler, keyof typeof layout.scheduler>;

/** Returns whether a service's destinations take turns in a sequence. */
export function isSequence({ service: { scheduler } }: CompiledService): boolean {
  return PROGRAM_SCHEDULER[scheduler] === 'sequence';
}

/**
 * Encodes struct policy of a service.
 *
 * @param base is added to the count of flows for the place in a sequence
 * @param group the service's number, also for the entries of its mark
 */
export function encodePolicy(
  { service, ring, destinations }: CompiledService,
  base: number,
  group: number,
): Uint8Array {
  const { scheduler, flags = [], persistence, onePacket } = service;
  const at = layout.policy;
  const bytes = new Uint8Array(at.byteLength);
  const view = new DataView(bytes.buffer);
  const policyFlags =
    (hashesPort(service) ? layout.policyFlag.port : 0) |
    (flags.some((flag) => flag === `${scheduler}-fallback`) ? layout.policyFlag.fallback : 0) |
    (persistence === undefined ? 0 : layout.policyFlag.persistent) |
    (onePacket === true ? layout.policyFlag['one-packet'] : 0);
  view.setUint8(at.scheduler.offset, layout.scheduler[PROGRAM_SCHEDULER[scheduler]]);
  view.setUint8(at.flags.offset, policyFlags);
  view.setUint16(at.group.offset, group, true);
  view.setUint32(at.candidates.offset, destinations.length, true);
  view.setUint32(at.length.offset, ring?.length ?? 0, true);
  view.setUint32(at.base.offset, base, true);
  bytes.set(persistenceMask(service), at.mask.offset);
  return bytes;
}

/** Encodes struct policy of a ghost. @param group the number of its service */
export function encodeGhostPolicy(group: number): Uint8Array {
  const { policy, policyFlag } = layout;
  const bytes = new Uint8Array(policy.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint8(policy.flags.offset, policyFlag.ghost);
  view.setUint16(policy.group.offset, group, true);
  return bytes;
}

/** Returns the bits of a client's address that identify a client under persistence; 4 or 16 bytes. */
export function persistenceMask(service: AnyService): Uint8Array {
  return maskOf(service, familyOfService(service));
}

/** Returns the same for a service of which no more is known. */
export function maskOf({ persistence }: Pick<AnyService, 'persistence'>, family: Family): Uint8Array {
  const whole = addressBits(family);
  const { mask = whole } = persistence ?? {};
  if (typeof mask === 'string') {
    return ipBytes(mask);
  }
  return Uint8Array.from({ length: whole / 8 }, (_, i) => 0xff00 >> Math.min(8, Math.max(0, mask - i * 8)));
}

/** Encodes struct candidate of all of a service's destinations, in the ring's order. */
export function encodeCandidates(compiled: CompiledService, numbers: ServiceNumbers): Uint8Array {
  const { destinations, routes } = compiled;
  const entry = layout.candidate;
  const bytes = new Uint8Array(destinations.length * entry.byteLength);
  const view = new DataView(bytes.buffer);
  destinations.forEach(({ address, weight }, i) => {
    const at = i * entry.byteLength;
    view.setUint32(at + entry.number.offset, keepsFlows(compiled, i) ? numbers.destinations.get(address)! : 0, true);
    view.setUint32(at + entry.weight.offset, routes[i]!.action === 'none' ? 0 : weight, true);
  });
  return bytes;
}
