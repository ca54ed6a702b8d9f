/** The way to another director: its own commands, over SSH's. Nothing of ours listens to the network. */

import { spawn } from 'node:child_process';

import { type Command, Option } from 'commander';

import { BeelineError } from '../model/index.js';

/** A director of 1,000 services with 10 real servers each tells 1 MB of itself. */
const MAX_OUTPUT = 256 << 20;
/** With a question for a password, and 10,000 real servers. */
const TIMEOUT_MS = 120_000;
/** What sh says of a program that it does not find. */
const NOT_FOUND = 127;

export interface PeerOptions {
  /** The command that reaches it, with its arguments: it is given the host and the words of the command. */
  readonly ssh: string;
  /** How it calls Beeline. */
  readonly remote: string;
}

export function withPeerOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--ssh <command>', 'the command that reaches the other director, with its arguments').default('ssh'),
    )
    .addOption(
      new Option('--remote <command>', 'how Beeline is called there, for example "sudo beeline"').default('beeline'),
    );
}

export interface PeerAnswer {
  readonly status: number;
  readonly output: string;
  /** What it wrote to standard error. */
  readonly errors: string;
}

/**
 * Runs a command of Beeline on another host.
 *
 * @param words without what a shell would change
 * @throws BeelineError `USAGE`, or `PEER_FAILED` if it cannot be reached, or has no Beeline
 */
export async function askPeer(
  host: string,
  words: readonly string[],
  { ssh, remote }: PeerOptions,
  input = '',
): Promise<PeerAnswer> {
  requireHost(host);
  const [file, ...args] = ssh.split(' ').filter((each) => each !== '');
  if (file === undefined) {
    throw new BeelineError('USAGE', '--ssh names no command', { hint: 'Leave it out for "ssh".' });
  }
  const answer = await run(file, [...args, host, ...remote.split(' ').filter((each) => each !== ''), ...words], input);
  if (answer.status === NOT_FOUND) {
    throw new BeelineError('PEER_FAILED', `${host} does not find "${remote}"`, {
      hint: 'Give --remote the path of Beeline there.',
    });
  }
  return answer;
}

/** A host that begins with "-" would be an option of ssh. @throws BeelineError `USAGE` */
export function requireHost(host: string): void {
  if (!/^[\w.:@[\]%][\w.:@[\]%-]*$/.test(host)) {
    throw new BeelineError('USAGE', `"${host}" is no host`, { hint: 'Name it as for ssh: lb2, root@192.0.2.7.' });
  }
}

async function run(file: string, args: readonly string[], input: string): Promise<PeerAnswer> {
  return await new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      clearTimeout(timer);
      reject(new BeelineError('PEER_FAILED', `${file}: ${reason}`, { hint: 'See whether "ssh HOST true" works.' }));
    };
    const child = spawn(file, args, { stdio: 'pipe' });
    // Not spawn's own timeout, which waits to its end also if there is no such command.
    const timer = setTimeout(() => child.kill(), TIMEOUT_MS);
    const outputs = { output: '', errors: '' };
    const collect = (name: keyof typeof outputs, text: string): void => {
      outputs[name] += text;
      if (outputs[name].length > MAX_OUTPUT) {
        child.kill();
      }
    };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      collect('output', text);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      collect('errors', text);
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      fail(error.code === 'ENOENT' ? 'there is no such command' : error.message);
    });
    child.on('close', (status, signal) => {
      if (status === null) {
        fail(`ended by ${signal ?? 'a signal'}: it took longer than ${TIMEOUT_MS / 1000} s, or said too much`);
      } else if (status === 255) {
        // OpenSSH's own failure.
        fail(outputs.errors.trim().split('\n').at(-1) ?? 'failed');
      } else {
        clearTimeout(timer);
        resolve({ status, ...outputs });
      }
    });
    // It may end before it has read everything; its status tells.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

/** @throws BeelineError `PEER_FAILED` with what the command there wrote to standard error */
export function requireDone(host: string, { status, errors }: PeerAnswer, expected: readonly number[]): void {
  if (!expected.includes(status)) {
    const said = errors.trim().replace(/^beeline: /, '');
    throw new BeelineError('PEER_FAILED', `${host}: ${said === '' ? `exit status ${status}` : said}`, {
      hint: `Nothing is known of ${host} beyond that.`,
    });
  }
}
