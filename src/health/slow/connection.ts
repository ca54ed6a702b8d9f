/** A TCP connection of a check that Node.js makes: to the VIP on a real server, or to another address. */

import { Socket } from 'node:net';

import { FORWARDS, NOT_VIP, UNREACHABLE } from '../engine/judgement.js';
import { failed, type Judgement } from '../kinds/kind.js';
import type { Cut, Deadline } from './deadline.js';
import { type Finding, type SlowContext, systemWords, Trouble } from './slow.js';

/** Another program may have a port of the range: the next one is tried, so many times. */
const PORT_ATTEMPTS = 8;

/** Errors of a connection at its port. */
const FAILURES: Readonly<Record<string, Judgement>> = {
  ECONNREFUSED: failed('L4', 'refused'),
  ECONNRESET: failed('L4', 'reset'),
  EPIPE: failed('L4', 'reset'),
  ETIMEDOUT: failed('L4', 'timeout'),
};

/** Returns what an error of a connection says about the real server; undefined: nothing, it is this host's. */
export function failureOf(error: Error): Judgement | undefined {
  const { code = '' } = error as NodeJS.ErrnoException;
  const words = UNREACHABLE[code];
  return words === undefined ? FAILURES[code] : failed('L3', words);
}

/**
 * Connects, and ends the connection by a reset when `use` has ended: no TIME_WAIT holds its port.
 *
 * @param use is given a connection that is there
 */
export async function withConnection(
  context: SlowContext,
  deadline: Deadline,
  use: (socket: Socket) => Promise<Finding>,
): Promise<Finding> {
  for (let attempt = 1; ; attempt += 1) {
    const finding = await connectOnce(context, deadline, use);
    if (finding !== 'port in use') {
      return finding;
    }
    if (attempt === PORT_ATTEMPTS) {
      throw new Trouble('other programs have the local ports of checks');
    }
  }
}

async function connectOnce(
  context: SlowContext,
  deadline: Deadline,
  use: (socket: Socket) => Promise<Finding>,
): Promise<Finding | 'port in use'> {
  const { target, rip, wire, local, scope } = context;
  const zone = scope === undefined ? '' : `%${scope}`;
  const socket = new ResetSocket();
  const closed = socket.closedForGood;
  const port = wire === undefined ? undefined : takePort(context);
  try {
    const failure = await connected(
      socket,
      {
        host: rip + zone,
        port: target.port,
        ...(local !== undefined && { localAddress: local + zone }),
        ...(port !== undefined && { localPort: port }),
      },
      deadline,
    );
    const finding = failure ?? (await use(socket));
    await end(socket, closed);
    return finding === 'port in use' || port === undefined ? finding : judgeWay(finding, wire!, port);
  } finally {
    await end(socket, closed);
    if (port !== undefined) {
      wire!.releasePort(port);
    }
  }
}

function takePort({ target, rip, wire, local }: SlowContext): number {
  const port = local === undefined ? undefined : wire!.takePort(target.address, rip, local, 'tcp');
  if (port === undefined) {
    throw new Trouble(local === undefined ? 'no local address leads to the real server' : 'no local port is free');
  }
  return port;
}

/** Returns why there is no connection; undefined: there is one. */
function connected(
  socket: Socket,
  options: { host: string; port: number; localAddress?: string; localPort?: number },
  deadline: Deadline,
): Promise<Finding | 'port in use' | undefined> {
  return new Promise((resolve) => {
    const settle = (result: Finding | 'port in use' | undefined): void => {
      stop();
      socket.off('connect', onConnect).off('error', onError);
      resolve(result);
    };
    const onConnect = (): void => {
      settle(undefined);
    };
    const onError = (error: NodeJS.ErrnoException): void => {
      const isTaken = error.code === 'EADDRINUSE' || (error.code === 'EADDRNOTAVAIL' && error.syscall === 'connect');
      settle(isTaken && options.localPort !== undefined ? 'port in use' : findingOf(error));
    };
    const stop = deadline.onCut((cut) => {
      settle(findingOfCut(cut, failed('L4', 'timeout')));
    });
    socket.once('connect', onConnect).once('error', onError);
    if (deadline.cut === undefined) {
      socket.connect(options);
    }
  });
}

/** An error of this host says nothing about the real server. */
function findingOf(error: NodeJS.ErrnoException): Finding {
  const judgement = error.syscall === 'bind' ? undefined : failureOf(error);
  return judgement === undefined ? { trouble: `no connection: ${systemWords(error)}` } : { judgement };
}

export function findingOfCut(cut: Cut, timeout: Judgement): Finding {
  return cut === 'timeout' ? { judgement: timeout } : { trouble: cut };
}

async function end(socket: Socket, closed: Promise<void>): Promise<void> {
  socket.destroy();
  await closed;
}

/** A socket that ends by a reset, whoever ends it: also TLS above it, when that fails. */
class ResetSocket extends Socket {
  readonly closedForGood: Promise<void>;
  #isResetting = false;

  constructor() {
    // A connection that the other side ends would be ended here too, and that excludes a reset (uv_tcp_close_reset).
    super({ allowHalfOpen: true });
    this.closedForGood = new Promise((resolve) => {
      this.once('close', resolve).on('error', (error: NodeJS.ErrnoException) => {
        // Node emits no "close" then.
        if (error.syscall === 'reset') {
          resolve();
        }
      });
    });
  }

  override destroy(error?: Error): this {
    // One that is not connected yet has nothing that could stay. One that failed was reset.
    if (error !== undefined || this.#isResetting || this.destroyed || this.pending) {
      return super.destroy(error);
    }
    this.#isResetting = true;
    return this.resetAndDestroy();
  }
}

/** What the wire saw of a connection to a VIP counts more than what the connection brought. */
function judgeWay(finding: Finding, wire: NonNullable<SlowContext['wire']>, port: number): Finding {
  const { judgement } = finding;
  if (judgement === undefined) {
    return finding;
  }
  if (!judgement.passed && wire.isForwarded(port)) {
    return { judgement: failed('L3', FORWARDS) };
  }
  return judgement.passed && !wire.isAnswered(port) ? { judgement: failed('L4', NOT_VIP) } : finding;
}
