/** Health checks that notice a failure late. */

import {
  type AnyService,
  allServices,
  type Check as HealthCheck,
  serviceName,
  timingOf,
} from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Finding } from '../../finding.js';

const NAME = 'check-times';

/** Seconds after which clients give up: browsers wait longer, people do not. */
const PATIENCE = 60;

export const checkTimes: Check = {
  name: NAME,
  about: 'health checks that notice a failure only after a minute',
  reads: [],
  find: ({ director: { model } }) =>
    allServices(model).flatMap((service) => {
      const found = checksOf(service).flatMap((each) => findingOf(serviceName(service), each) ?? []);
      // The worst says enough.
      return found.slice(0, 1);
    }),
};

interface Timed {
  readonly type: string;
  readonly interval: number;
  readonly timeout: number;
  readonly fall: number;
  /** Until a real server that does not answer is down. */
  readonly seconds: number;
}

/** The slowest first. */
function checksOf({ health, destinations }: AnyService): Timed[] {
  if (health === undefined) {
    return [];
  }
  const timed = (check: HealthCheck, ...common: Parameters<typeof timingOf>[1][]): Timed => {
    const { interval, timeout, fastInterval, fall } = timingOf(check, ...common);
    const turn = Math.max(timeout, fastInterval);
    return { type: check.type, interval, timeout, fall, seconds: interval + (fall - 1) * turn + timeout };
  };
  const all = [
    ...health.checks.map((check) => timed(check, health)),
    ...destinations.flatMap(({ health: own }) =>
      own === undefined ? [] : (own.checks ?? health.checks).map((check) => timed(check, health, own)),
    ),
  ].filter(({ type }) => type !== 'file' && type !== 'agent');
  return all.toSorted((a, b) => b.seconds - a.seconds);
}

function findingOf(name: string, { type, interval, timeout, fall, seconds }: Timed): Finding | undefined {
  return seconds <= PATIENCE
    ? undefined
    : {
        ...{ check: NAME, severity: 'note', subject: name },
        text: `${name}: a real server that fails is noticed after up to ${Math.round(seconds)} s`,
        evidence: [`check ${type}: interval ${interval} s, timeout ${timeout} s, fall ${fall}`],
        why: 'Until then it gets its share of new connections, which hang.',
        mend: [
          {
            on: 'configuration',
            command: 'a shorter "interval" and "timeout", or a smaller "fall": see docs/health.md',
          },
        ],
      };
}
