/** Runs a shell script on another host over SSH's own command: no question, no hang, no flood. */

import { spawn } from 'node:child_process';
import { basename } from 'node:path';

import { printableName } from '../../model/index.js';

/** A host says less than 1 MB of itself. */
const MOST_OUTPUT = 4 << 20;
const MOST_ERRORS = 4 << 10;
const TIMEOUT_MS = 10_000;
/** OpenSSH asks for no password and no host key, and gives up before the time is over. */
const OPENSSH_OPTIONS = ['-o', 'BatchMode=yes', '-o', 'ConnectTimeout=5'];

export interface SshOutput {
  readonly output: string;
  /** Why nothing came, or not all of it: SSH's own message. */
  readonly why: string;
}

/** @param command SSH's command with its arguments */
export function runOverSsh(command: string, host: string, script: string, timeoutMs = TIMEOUT_MS): Promise<SshOutput> {
  const [file = 'ssh', ...given] = command.split(' ').filter((each) => each !== '');
  const options = basename(file) === 'ssh' ? OPENSSH_OPTIONS : [];
  return new Promise((resolve) => {
    // In a session without a terminal, so that nothing can ask there; and as a group, so that a proxy ends with it.
    const child = spawn(file, [...given, ...options, host, 'sh', '-s'], {
      stdio: 'pipe',
      detached: true,
      env: { ...process.env, SSH_ASKPASS_REQUIRE: 'never' },
    });
    const output: Buffer[] = [];
    let bytes = 0;
    let errors = '';
    let why: string | undefined;
    const end = (reason: string): void => {
      why ??= reason;
      if (child.pid !== undefined) {
        killGroup(child.pid);
      }
      // What it started in the background may hold them open.
      [child.stdin, child.stdout, child.stderr].forEach((stream) => {
        stream.destroy();
      });
    };
    const timer = setTimeout(() => {
      end(`no answer within ${timeoutMs / 1000} s`);
    }, timeoutMs);
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MOST_OUTPUT) {
        end(`it says more than ${MOST_OUTPUT >> 20} MB`);
      } else {
        output.push(chunk);
      }
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-MOST_ERRORS);
    });
    const settle = (reason: string): void => {
      clearTimeout(timer);
      resolve({ output: Buffer.concat(output).toString(), why: why ?? reason });
    };
    child.on('error', (error: NodeJS.ErrnoException) => {
      settle(error.code === 'ENOENT' ? `there is no command ${file}` : error.message);
    });
    child.on('close', (status) => {
      settle(lastLine(errors) ?? `it ended with status ${status ?? 'unknown'}`);
    });
    // It may end before it has read everything; its message tells.
    child.stdin.on('error', () => undefined);
    child.stdin.end(script);
  });
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}

function lastLine(text: string): string | undefined {
  const line = text.trim().split('\n').at(-1)?.trim() ?? '';
  return line === '' ? undefined : printableName(line);
}
