/** Captures frames on a host of the lab by tcpdump. */

import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { BeelineError } from '../model/index.js';
import { readCapture } from '../packet/index.js';
import { start } from './command.js';
import type { Lab } from './lab.js';
import type { HostName } from './topology.js';

const START_TIMEOUT_MS = 15_000;
/** For frames that are on their way still. */
const SETTLE_MS = 200;
/** How long tcpdump may take to write what the kernel has for it: on a busy machine it comes late to it. */
const DRAIN_MS = 5_000;
const POLL_MS = 25;
/** What tcpdump prints at SIGUSR1. */
const FIGURES = /(\d+) packets? captured, (\d+) packets? received by filter/g;

/** A capture that is running. */
export class Capture {
  readonly #child: ChildProcess;
  readonly #path: string;
  #stderr = '';

  private constructor(child: ChildProcess, path: string) {
    this.#child = child;
    this.#path = path;
    child.stderr?.on('data', (text: Buffer) => {
      this.#stderr += text.toString();
    });
  }

  /**
   * Starts tcpdump and resolves when it captures.
   *
   * @param device an interface of the host
   * @param filter as in pcap-filter(7). Its offsets are fixed, so it matches only frames without VLAN tags
   */
  static async start(lab: Lab, host: HostName | 'switch', device: string, filter: string): Promise<Capture> {
    const path = join(lab.directory, `${host}-${device}-${Date.now()}.pcap`);
    // --immediate-mode: does not wait for a full buffer. -Z root: only root may write here.
    const options = ['-i', device, '-n', '-U', '-Z', 'root', '--immediate-mode', '-w', path, filter];
    const child = start(lab.namespace(host), ['tcpdump', ...options], { stdio: ['ignore', 'ignore', 'pipe'] });
    const capture = new Capture(child, path);
    await capture.#listening(`${host}, ${device}`);
    return capture;
  }

  #listening(where: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        reject(new BeelineError('LAB', `tcpdump on ${where}: ${why}`));
      };
      const timer = setTimeout(() => {
        fail('does not start to listen');
      }, START_TIMEOUT_MS);
      this.#child.once('error', (error) => {
        fail(error.message);
      });
      this.#child.once('exit', () => {
        clearTimeout(timer);
        fail(this.#stderr.trim());
      });
      this.#child.stderr?.on('data', () => {
        if (this.#stderr.includes('listening on')) {
          clearTimeout(timer);
          resolve();
        }
      });
    });
  }

  /** Waits until tcpdump has written all that the kernel captured: at its end it would leave the rest. */
  async #drained(): Promise<void> {
    const deadline = performance.now() + DRAIN_MS;
    while (this.#child.exitCode === null && performance.now() < deadline) {
      this.#child.kill('SIGUSR1');
      await sleep(POLL_MS);
      const [, captured, received] = [...this.#stderr.matchAll(FIGURES)].at(-1) ?? [];
      if (captured !== undefined && captured === received) {
        return;
      }
    }
  }

  /** Stops the capture and returns its frames, oldest first. */
  async stop(): Promise<Uint8Array[]> {
    await sleep(SETTLE_MS);
    await this.#drained();
    await new Promise<void>((resolve) => {
      this.#child.once('exit', () => {
        resolve();
      });
      if (this.#child.exitCode === null) {
        this.#child.kill('SIGINT');
      } else {
        resolve();
      }
    });
    return [...readCapture(readFileSync(this.#path))].flatMap(({ frame }) => frame ?? []);
  }
}
