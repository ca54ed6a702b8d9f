/** Reports the daemon's state to systemd by the protocol of sd_notify(3). Without systemd nothing happens. */

import { sendDatagram } from '../native/index.js';

export interface ServiceManager {
  /** Whether there is one. */
  readonly listens: boolean;
  /** For example `{ READY: '1' }`. */
  notify(state: Readonly<Record<string, string>>): void;
  /** Tells what is, as one line. The line of before is not told again. */
  status(text: string): void;
  stop(): void;
}

/**
 * @param environment with NOTIFY_SOCKET, and WATCHDOG_USEC if the unit has WatchdogSec
 * @param onError called if the socket cannot be written to; the daemon goes on
 * @param onSent called if it can
 */
export function serviceManager(
  environment: Readonly<Record<string, string | undefined>>,
  onError: (error: unknown) => void,
  onSent: () => void = () => undefined,
): ServiceManager {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: watchdogUs } = environment;
  const listens = socket !== undefined && socket !== '';
  const notify = (state: Readonly<Record<string, string>>): void => {
    if (!listens) {
      return;
    }
    const text = Object.entries(state)
      .map(([key, value]) => `${key}=${value}\n`)
      .join('');
    try {
      sendDatagram(socket, text);
      onSent();
    } catch (error) {
      onError(error);
    }
  };
  // Twice in the time that systemd allows, as sd_watchdog_enabled(3) recommends.
  const watchdog =
    watchdogUs === undefined
      ? undefined
      : setInterval(
          () => {
            notify({ WATCHDOG: '1' });
          },
          Number(watchdogUs) / 1000 / 2,
        ).unref();
  let told = '';
  return {
    listens,
    notify,
    status: (text) => {
      const line = text.replace(/\s+/g, ' ');
      if (line !== told) {
        told = line;
        notify({ STATUS: line });
      }
    },
    stop: () => {
      clearInterval(watchdog);
    },
  };
}
