/** tcpdump on a host of the lab: from when it listens to when it is told to stop. */

import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { BeelineError } from '../model/index.js';
import { readCapture } from '../packet/index.js';
import { start } from './command.js';
import type { Lab } from './lab.js';
import type { HostName } from './topology.js';

const START_TIMEOUT_MS = 5_000;
/** How long frames take from the wire to the file, at the most. */
const SETTLE_MS = 200;

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
   * Begins to capture and resolves when every frame from now on will be seen.
   *
   * @param device an interface of the host
   * @param filter as pcap-filter(7) has it; a capture filter with fixed offsets, so it sees VLAN-free frames alone
   */
  static async start(lab: Lab, host: HostName | 'switch', device: string, filter: string): Promise<Capture> {
    const path = join(lab.directory, `${host}-${device}-${Date.now()}.pcap`);
    // --immediate-mode: no waiting for a buffer to fill. -Z root: it could not write here as anybody else.
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
        fail('does not begin to listen');
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

  /** Ends the capture and returns the frames, oldest first. */
  async stop(): Promise<Uint8Array[]> {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
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
