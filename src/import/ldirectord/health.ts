/** The health of a section's real servers: what is checked, how often, and what a failure does. Pure. */

import type { Check, HealthPolicy, IpAddress, RealServerHealth } from '../../model/index.js';
import { checksOf } from './checks.js';
import type { RealServer } from './real-servers.js';
import type { Wishes } from './wishes.js';

/** What a configuration takes at most. */
const MOST_SECONDS = 86_400;
const MOST_RESULTS = 1000;

export interface SectionHealth {
  /** Undefined: nothing is checked. */
  readonly policy: HealthPolicy | undefined;
  /** What single real servers have of their own, in the order of the real servers. */
  readonly own: readonly (RealServerHealth | undefined)[];
}

export function healthOf(wishes: Wishes, reals: readonly RealServer[], fallback: IpAddress | undefined): SectionHealth {
  const all = reals.map((real) => checksOf(wishes, real));
  const common = mostFrequent(all);
  if (fallback === undefined && all.every((checks) => checks.length === 0)) {
    return { policy: undefined, own: reals.map(() => undefined) };
  }
  const key = JSON.stringify(common);
  return {
    policy: {
      checks: common,
      ...(all.some((checks) => checks.length > 0) && timesOf(wishes)),
      ...(wishes.isQuiescent && { onFailure: 'quiesce' }),
      ...(fallback !== undefined && { fallback: [fallback] }),
    },
    own: all.map((checks) => (JSON.stringify(checks) === key ? undefined : { checks })),
  };
}

/** Most real servers have the same checks, which are the service's. */
function mostFrequent(all: readonly (readonly Check[])[]): readonly Check[] {
  const counts = new Map<string, { count: number; checks: readonly Check[] }>();
  for (const checks of all) {
    const key = JSON.stringify(checks);
    const entry = counts.get(key) ?? { count: 0, checks };
    counts.set(key, { ...entry, count: entry.count + 1 });
  }
  const [first] = [...counts.values()].sort((a, b) => b.count - a.count);
  return first?.checks ?? [];
}

/**
 * A failure counts once in each interval, a success at once, and a real server is down until its first check has passed
 * (ld_start() of ldirectord).
 */
function timesOf({
  checkType,
  service,
  checkTimeout,
  negotiateTimeout,
  ...wishes
}: Wishes): Omit<HealthPolicy, 'checks'> {
  const pings =
    checkType === 'ping' || (checkType === 'connect' && wishes.mark === undefined && wishes.protocol === 'udp');
  const talks = service !== 'none' && (checkType === 'negotiate' || checkType === 'combined');
  const timeout = Math.min(talks ? negotiateTimeout : checkTimeout, MOST_SECONDS);
  const interval = Math.min(wishes.interval, MOST_SECONDS);
  // A check of ldirectord is so many pings, one after another.
  const attempts = pings ? wishes.attempts : 1;
  const fall = Math.min(wishes.failures * attempts, MOST_RESULTS);
  const between = wishes.failures === 1 ? timeout : Math.max(timeout, interval / attempts);
  const fastInterval = attempts === 1 ? interval : Math.min(interval, Math.round(between * 10) / 10);
  return {
    interval,
    timeout,
    ...(fall > 1 && { fastInterval }),
    rise: 1,
    fall,
    initially: 'down',
  };
}
