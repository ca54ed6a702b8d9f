/** Local servers for checks that Node.js makes, and the results of these checks as text. */

import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';

import { runSlow, type SlowContext, type SlowResult } from '../../src/health/index.js';
import { familyOf, ip, type SlowCheck } from '../../src/model/index.js';

export type Serve = (socket: Socket, served: number) => void;

/** Starts a server that ends with the test. Returns its port. @param tls its options, to speak TLS */
export async function serve(context: TestContext, onConnection: Serve, tls?: TlsOptions): Promise<number> {
  const open = new Set<Socket>();
  let served = 0;
  const server: Server = tls === undefined ? createServer() : createTlsServer(tls);
  // A server of TLS emits both.
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('error', () => undefined).on('close', () => open.delete(socket));
  });
  server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    socket.on('error', () => undefined);
    onConnection(socket, (served += 1));
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    server.close();
    open.forEach((socket) => socket.destroy());
  });
  return (server.address() as AddressInfo).port;
}

export function contextFor(
  port: number,
  given: Partial<SlowContext> & { readonly address?: string } = {},
): SlowContext {
  const { address = '127.0.0.1', ...rest } = given;
  return {
    target: { address: ip(address), family: familyOf(ip(address)), port, protocol: 'tcp' },
    rip: ip(address),
    timeoutMs: 5000,
    signal: new AbortController().signal,
    environment: {},
    ...rest,
  };
}

/** "passed L7 status 200", with "warning: …" behind it; or "trouble: …" */
export function resultText({ outcome, trouble, warning }: SlowResult): string {
  return [
    outcome && `${outcome.passed ? 'passed' : 'failed'} ${outcome.layer} ${outcome.words}`,
    trouble !== undefined && `trouble: ${trouble}`,
    warning !== undefined && `warning: ${warning}`,
  ]
    .filter((part) => typeof part === 'string')
    .join('; ');
}

export async function checked(
  check: SlowCheck,
  port: number,
  given: Partial<SlowContext> & { readonly address?: string } = {},
): Promise<string> {
  return resultText(await runSlow(check, contextFor(port, given)));
}
