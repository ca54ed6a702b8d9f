/** Connections that are silent for longer than the director remembers them. */

import {
  type AnyService,
  DEFAULT_TIMEOUTS,
  isHashing,
  isMarkKey,
  type Model,
  serviceName,
  withDefaults,
} from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Finding } from '../../finding.js';
import { balanced } from '../../services.js';

const NAME = 'idle-timeouts';

/** TCP's keepalive by default (RFC 1122, 4.2.3.6; Linux' tcp_keepalive_time). */
const KEEPALIVE = 7_200;

interface Application {
  readonly name: string;
  /** How long its connections may be silent, in seconds. */
  readonly silent: number;
}

/** Applications whose connections are silent for long, by their ports (IANA). */
const TCP: Readonly<Partial<Record<number, string>>> = {
  22: 'SSH',
  143: 'IMAP',
  389: 'LDAP',
  636: 'LDAP over TLS',
  993: 'IMAP over TLS',
  1433: 'SQL Server',
  1521: 'Oracle',
  1883: 'MQTT',
  3306: 'MySQL',
  3389: 'RDP',
  5222: 'XMPP',
  5432: 'PostgreSQL',
  5672: 'AMQP',
  6379: 'Redis',
  8883: 'MQTT over TLS',
  27017: 'MongoDB',
};

/** SIP's session timer (RFC 4028, 4), WireGuard's Reject-After-Time, TURN's lifetime (RFC 8656, 3.2), OpenVPN's ping-restart. */
const UDP: Readonly<Partial<Record<number, Application>>> = {
  1194: { name: 'OpenVPN', silent: 120 },
  3478: { name: 'TURN', silent: 600 },
  5060: { name: 'SIP', silent: 1_800 },
  51820: { name: 'WireGuard', silent: 180 },
};

export const idleTimeouts: Check = {
  name: NAME,
  about: 'applications whose connections may be silent for longer than a flow is remembered',
  reads: [],
  find: ({ director: { model, configPath } }) =>
    balanced(model).flatMap((service): Finding[] => {
      const found = silentFor(service, model);
      if (found === undefined) {
        return [];
      }
      const { application, key, seconds } = found;
      const name = serviceName(service);
      return [
        {
          check: NAME,
          severity: 'warning',
          subject: name,
          text: `${name}: ${application.name} may be silent for ${application.silent} s, and a flow is forgotten after ${seconds} s`,
          evidence: [
            `${configPath}: timeouts.${key} is ${seconds} s, and ${service.scheduler} keeps no client otherwise`,
          ],
          why: 'The next packet of a connection that was forgotten may go to another real server, which does not know it: the connection breaks.',
          mend: [
            { on: 'configuration', command: `timeouts: { ${key}: ${application.silent} }` },
            { on: 'configuration', command: '"scheduler: maglev" or sh, which find the same real server again' },
          ],
        },
      ];
    }),
};

function silentFor(
  service: AnyService,
  model: Model,
): { application: Application; key: 'established' | 'udp'; seconds: number } | undefined {
  const { scheduler, persistence, onePacket } = service;
  // Those compute the real server again; and a datagram by itself is no connection.
  if (isMarkKey(service) || onePacket === true || isHashing(scheduler) || scheduler === 'dh' || scheduler === 'fo') {
    return undefined;
  }
  const tcp = TCP[service.port];
  const application =
    service.protocol === 'udp' ? UDP[service.port] : tcp === undefined ? undefined : { name: tcp, silent: KEEPALIVE };
  const key = service.protocol === 'udp' ? 'udp' : 'established';
  const seconds = withDefaults(DEFAULT_TIMEOUTS, model.timeouts, service.timeouts)[key];
  // A template outlives its flows.
  const kept = seconds + (persistence?.timeout ?? 0);
  return application === undefined || kept >= application.silent ? undefined : { application, key, seconds };
}
