/** What signals ask of the daemon. */

import type { Logger } from './log.js';

export interface SignalHandlers {
  /** SIGHUP. */
  readonly reload: () => Promise<unknown>;
  /** SIGUSR1: writes the state to the log. */
  readonly reportState: () => Promise<unknown>;
  /** SIGUSR2: writes the statistics to the log. */
  readonly reportStatistics: () => Promise<unknown>;
  /** SIGTERM and SIGINT. */
  readonly terminate: () => void;
  readonly log: Logger;
}

/** Follows signals until the returned function is called. */
export function followSignals({ reload, reportState, reportStatistics, terminate, log }: SignalHandlers): () => void {
  const report = (make: () => Promise<unknown>) => (): void => {
    make().catch((error: unknown) => {
      log.error({ err: error }, 'cannot report what a signal asked for');
    });
  };
  const listeners: Partial<Record<NodeJS.Signals, () => void>> = {
    // A reload says itself why it failed.
    SIGHUP: () => void reload().catch(() => undefined),
    SIGUSR1: report(reportState),
    SIGUSR2: report(reportStatistics),
    SIGTERM: terminate,
    SIGINT: terminate,
  };
  const all = Object.entries(listeners) as [NodeJS.Signals, () => void][];
  for (const [signal, listener] of all) {
    process.on(signal, listener);
  }
  return () => {
    for (const [signal, listener] of all) {
      process.off(signal, listener);
    }
    // A report that comes too late must not end the daemon before it has ended in order.
    process.on('SIGUSR1', () => undefined).on('SIGUSR2', () => undefined);
  };
}
