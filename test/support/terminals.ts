/** Terminals on the hosts of a lab, as the reader of a tutorial has them open: a shell each, which stays. */

import type { ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { type HostName, processOf, run as runProgram, start, terminate } from '../../src/lab/index.js';
import type { TestLab } from './lab.js';

const BEELINE = fileURLToPath(new URL('../../app/cli/main.js', import.meta.url));
const TIMEOUT_MS = 60_000;
const POLL_MS = 10;

/** Sets the shell up: one stream of output as on a terminal, and the host's own folder. */
const SHELL = 'exec 2>&1; cd "$1"; exec bash --noprofile --norc';

/** A shell. */
export class Terminal {
  readonly #child: ChildProcess;
  readonly #host: HostName;
  #output = '';
  #number = 0;

  constructor(lab: TestLab, host: HostName, folder: string, environment: NodeJS.ProcessEnv) {
    this.#host = host;
    const command = ['bash', '--noprofile', '--norc', '-c', SHELL, 'bash', folder];
    this.#child = start(lab.namespace(host), command, { env: environment, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout!.on('data', (text: Buffer) => {
      this.#output += text.toString();
    });
  }

  /** Runs a command to its end, and returns all that was printed since the one before it. */
  async run(command: string): Promise<string> {
    this.#number += 1;
    const mark = `end of command ${this.#number}`;
    this.#child.stdin!.write(`{ ${command}\n} </dev/null\necho; echo '${mark}'\n`);
    const deadline = performance.now() + TIMEOUT_MS;
    for (;;) {
      const end = this.#output.indexOf(`\n${mark}\n`);
      if (end >= 0) {
        const text = this.#output.slice(0, end);
        this.#output = this.#output.slice(end + mark.length + 2);
        return text.trim();
      }
      if (performance.now() > deadline || this.#child.exitCode !== null) {
        throw new Error(`${this.#host}# ${command}\nis not over after ${TIMEOUT_MS / 1000} s: ${this.#output}`);
      }
      await sleep(POLL_MS);
    }
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

/** The numbers of the processes that have a host's network. */
async function processesOn(lab: TestLab, host: HostName): Promise<string[]> {
  return (await runProgram('ip', ['netns', 'pids', lab.namespace(host)])).split('\n').filter((pid) => pid !== '');
}

export class Terminals {
  readonly #lab: TestLab;
  readonly #open = new Map<HostName, Terminal>();
  /** What runs on a host for the lab itself. */
  readonly #before: ReadonlySet<string>;

  private constructor(lab: TestLab, before: ReadonlySet<string>) {
    this.#lab = lab;
    this.#before = before;
  }

  /** @param lab with all that it runs itself */
  static async of(lab: TestLab, hosts: readonly HostName[]): Promise<Terminals> {
    const before = await Promise.all(hosts.map((host) => processesOn(lab, host)));
    const terminals = new Terminals(lab, new Set(before.flat()));
    const bin = join(lab.directory, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'beeline'), `#!/bin/sh\nexec ${process.execPath} ${BEELINE} "$@"\n`, { mode: 0o755 });
    for (const host of hosts) {
      mkdirSync(terminals.folder(host), { recursive: true });
      terminals.#open.set(host, new Terminal(lab, host, terminals.folder(host), terminals.#environment(host)));
    }
    return terminals;
  }

  on(host: HostName): Terminal {
    return this.#open.get(host)!;
  }

  /** A host's own folder, where its terminal is: the hosts share the machine's files. */
  folder(host: HostName): string {
    return join(this.#lab.directory, 'terminals', host);
  }

  /** As "beeline lab exec" has it. */
  #environment(host: HostName): NodeJS.ProcessEnv {
    const { env } = process;
    return {
      ...env,
      ...this.#lab.environment(host),
      PATH: `${join(this.#lab.directory, 'bin')}:${env['PATH'] ?? ''}`,
    };
  }

  /** Ends the shells, and what was started in them: daemons are nobody's children, but have the host's network. */
  async end(): Promise<void> {
    for (const [host, terminal] of this.#open) {
      terminal.end();
      const started = (await processesOn(this.#lab, host)).filter((pid) => !this.#before.has(pid));
      await Promise.all(started.map((pid) => terminate(processOf(Number(pid)))));
    }
  }
}
