/** A shell on a terminal: types for the test and returns the text that the terminal showed. */

import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';

const TIMEOUT_MS = 60_000;

/** A terminal, made by script(1). */
export class Terminal {
  readonly #script: ChildProcess;
  /** All text shown so far, escapes included. */
  shown = '';

  /** @param command a command line for sh */
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

  /** Waits until a text is shown after this call, or after the position `from`. */
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

  /** Waits until the command has ended. */
  async ended(): Promise<string> {
    if (this.#script.exitCode === null) {
      await new Promise((resolve) => this.#script.once('close', resolve));
    }
    return this.shown;
  }

  /** Exits the shell. */
  async close(): Promise<void> {
    this.type('exit\n');
    await this.ended();
  }
}
