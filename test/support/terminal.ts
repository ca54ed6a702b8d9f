/** Shells at a terminal: types what somebody would type, and gives back what the terminal showed. */

import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';

const TIMEOUT_MS = 20_000;

/** script(1) has a terminal of its own for what it runs. */
export class Terminal {
  readonly #script: ChildProcess;
  /** Everything shown so far, escapes included. */
  shown = '';

  /** @param command for sh */
  constructor(command: string, environment: Readonly<Record<string, string | undefined>> = {}) {
    this.#script = spawn('script', ['--quiet', '--flush', '--command', command, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, NO_COLOR: undefined, FORCE_COLOR: undefined, ...environment },
    });
    this.#script.stdout!.setEncoding('utf8').on('data', (piece: string) => {
      this.shown += piece;
    });
  }

  type(keys: string): void {
    this.#script.stdin!.write(keys);
  }

  /** Waits until something is shown that was not there when it was called, or given a place to look from. */
  async until(pattern: RegExp, from = this.shown.length): Promise<string> {
    const deadline = performance.now() + TIMEOUT_MS;
    for (;;) {
      const text = stripVTControlCharacters(this.shown.slice(from));
      const [found] = pattern.exec(text) ?? [];
      if (found !== undefined) {
        return found;
      }
      if (performance.now() > deadline || this.#script.exitCode !== null) {
        throw new Error(`the terminal did not show ${String(pattern)} but: ${JSON.stringify(text)}`);
      }
      await sleep(20);
    }
  }

  /** Waits until what runs there has ended. */
  async ended(): Promise<string> {
    if (this.#script.exitCode === null) {
      await new Promise((resolve) => this.#script.once('close', resolve));
    }
    return this.shown;
  }

  /** Leaves a shell. */
  async close(): Promise<void> {
    this.type('exit\n');
    await this.ended();
  }
}
