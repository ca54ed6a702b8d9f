/** Times of checks: at virtual servers, real servers and checkers alike. */

import { type Handler, shown } from './block.js';
import type { Collector } from './collector.js';
import type { Times } from './spec.js';
import { numberOf, secondsOf } from './values.js';

/** The least and the most seconds that a configuration may have. */
const LEAST = 0.1;
const MOST = 86_400;
const MOST_FALL = 1000;
/** One TIMER_HZ: keepalived ignores less. */
const LEAST_GIVEN = 1e-6;

/** KEEPALIVED_DEFAULT_DELAY in check_data.h, and connection_to of alloc_vs in check_data.c. */
const DEFAULT_INTERVAL = 60;
const DEFAULT_TIMEOUT = 5;

/** @param leastRetry virtual and real servers need a retry, checkers may have none */
export function timesHandlers(report: Collector, leastRetry: 0 | 1): [string, Handler<{ readonly times: Times }>][] {
  const seconds =
    (key: 'interval' | 'timeout' | 'retryDelay', name: string): Handler<{ readonly times: Times }> =>
    (statement, { times }) => {
      const value = secondsOf(statement.words[1], key === 'retryDelay' ? 0 : LEAST_GIVEN);
      if (value === undefined) {
        report.tell(
          'dropped',
          statement,
          `${statement.words[0]!}: "${shown(statement.words[1] ?? '')}" is no number of seconds, and keepalived ignores it too`,
        );
      } else {
        times[key] = value;
        report.tell('translated', statement, `${statement.words[0]!}: ${name}: ${limited(value)}`);
      }
    };
  const retry: Handler<{ readonly times: Times }> = (statement, { times }) => {
    const value = numberOf(statement.words[1], leastRetry, 2 ** 32 - 1);
    if (value === undefined) {
      report.tell('dropped', statement, `${statement.words[0]!}: "${statement.words[1] ?? ''}" is no number of tries`);
    } else {
      times.retry = value;
      report.tell('translated', statement, `${statement.words[0]!}: fall: ${fallOf(value)}, the first failure counted`);
    }
  };
  return [
    ['delay_loop', seconds('interval', 'interval')],
    ['connect_timeout', seconds('timeout', 'timeout')],
    ['delay_before_retry', seconds('retryDelay', 'fastInterval')],
    ['retry', retry],
  ];
}

function limited(seconds: number): number {
  return Math.min(Math.max(seconds, LEAST), MOST);
}

function fallOf(retry: number): number {
  return Math.min(retry + 1, MOST_FALL);
}

/** Times of a check of Beeline, all of them: keepalived's defaults are others. */
export interface FullTimes {
  readonly interval: number;
  readonly timeout: number;
  readonly fastInterval: number;
  readonly rise: number;
  readonly fall: number;
}

/**
 * @param given the nearest first
 * @param defaults of the checker: its retries, and the seconds between them; undefined: those between checks
 */
export function fullTimes(
  given: readonly Times[],
  defaults: { readonly retry: number; readonly retryDelay?: number },
): FullTimes {
  const pick = (key: keyof Times): number | undefined => given.find((times) => times[key] !== undefined)?.[key];
  const interval = limited(pick('interval') ?? DEFAULT_INTERVAL);
  return {
    interval,
    timeout: limited(pick('timeout') ?? DEFAULT_TIMEOUT),
    fastInterval: Math.min(limited(pick('retryDelay') ?? defaults.retryDelay ?? interval), interval),
    rise: 1,
    fall: fallOf(pick('retry') ?? defaults.retry),
  };
}
