/** Events of health: what programs and webhooks are told of a change of state. Their JSON is described in docs/json.md. */

import { randomUUID } from 'node:crypto';

/** Rises when a name changes its meaning. Names may be added without that. */
export const EVENT_VERSION = 1;

export const HEALTH_EVENTS = [
  /** A real server passes all of its checks again, and takes flows; or other checks make it up. */
  'real-server-up',
  'real-server-down',
  /** A real server that was down is none of the service any more. */
  'real-server-removed',
  /** One check changed its state; the real server may be down for another, or stay up. */
  'check-up',
  'check-down',
  /** A check that was down is not made any more: it was changed or removed, or its real server or service. */
  'check-removed',
  /** A check passes, but something is to be done: its certificate expires soon. */
  'check-warning',
  'check-warning-over',
  /** A check cannot be made, and nothing is known of the real server. */
  'check-trouble',
  'check-trouble-over',
  /** An agent, or a file, says something else than before. */
  'advice-changed',
  'quorum-lost',
  'quorum-met',
  /** A service whose quorum was lost is no more. */
  'service-removed',
  /** A real server was disabled by a command, or enabled again. */
  'maintenance-begun',
  'maintenance-over',
  /** A virtual router changed its state, by keepalived. */
  'vrrp-state',
] as const;
export type HealthEventType = (typeof HEALTH_EVENTS)[number];

/** What each event says beside its kind and time. */
export interface HealthEventDetails {
  /** serviceName(). */
  readonly service?: string | undefined;
  /** The address of the real server. */
  readonly realServer?: string | undefined;
  /** The label of a check. */
  readonly check?: string | undefined;
  /** Why, as text: "http: L7 status 503, 12 ms". */
  readonly reason?: string | undefined;
  /** Of quorum: the sum of the weights of those that are up. */
  readonly weight?: number | undefined;
  /** Of quorum: the sum that is needed. */
  readonly quorum?: number | undefined;
  /** Of maintenance: until when, in ISO 8601. */
  readonly until?: string | undefined;
  /** Of VRRP: keepalived's name of the virtual router. */
  readonly router?: string | undefined;
  /** Of VRRP: MASTER, BACKUP, FAULT, STOP or UNKNOWN, now and before. */
  readonly state?: string | undefined;
  readonly before?: string | undefined;
  readonly priority?: number | undefined;
}

export interface HealthEvent extends HealthEventDetails {
  readonly version: typeof EVENT_VERSION;
  /** The same in each attempt to tell the event. */
  readonly id: string;
  /** ISO 8601. */
  readonly time: string;
  /** The name of the director's host. */
  readonly host: string;
  readonly instance: string;
  readonly type: HealthEventType;
}

export function healthEvent(
  type: HealthEventType,
  details: HealthEventDetails,
  { host, instance, now = Date.now() }: { host: string; instance: string; now?: number },
): HealthEvent {
  return {
    version: EVENT_VERSION,
    id: randomUUID(),
    time: new Date(now).toISOString(),
    host,
    instance,
    type,
    ...details,
  };
}
