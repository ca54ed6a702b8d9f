/** Checks of one turn: a connection, an echo, a datagram. */

import type { UdpCheck } from '../../model/index.js';
import { failed, incomplete, passed, type Talk, type Turn } from './kind.js';

export function tcpTalk(): () => Talk {
  const first: Turn = { until: { on: 'connected' } };
  return () => ({
    transport: 'tcp',
    first,
    next: (_received, ending) => (ending === 'complete' ? passed('L4') : failed('L4', 'timeout')),
  });
}

export function pingTalk(): () => Talk {
  const first: Turn = { until: { on: 'data' } };
  return () => ({
    transport: 'icmp',
    first,
    next: (_received, ending) => (ending === 'complete' ? passed('L3') : failed('L3', 'timeout')),
  });
}

export function udpTalk(check: UdpCheck): () => Talk {
  const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
  const send = bytes(check.send ?? '');
  const reply = check.reply === undefined ? undefined : bytes(check.reply);
  const mask = check.mask === undefined ? undefined : bytes(check.mask);
  const first: Turn = { send, until: { on: 'data' } };
  return () => ({
    transport: 'udp',
    first,
    next: (received, ending) => {
      if (reply === undefined) {
        // Silence is all that many programs answer to a datagram that they do not know: what fails is an ICMP error.
        return ending === 'complete' ? passed('L7') : passed('L4', 'no ICMP error');
      }
      if (ending !== 'complete') {
        return incomplete(ending, received);
      }
      return matches(received, reply, mask) ? passed('L7') : failed('L7', 'another reply');
    },
  });
}

/** Whether what was received begins with the reply, as far as the mask's bits count. */
function matches(received: Uint8Array, reply: Uint8Array, mask: Uint8Array | undefined): boolean {
  return reply.every((byte, i) => i < received.length && ((byte ^ received[i]!) & (mask?.[i] ?? 0xff)) === 0);
}
