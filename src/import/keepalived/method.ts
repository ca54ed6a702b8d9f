/** lvs_method: how packets reach a real server. */

import { shown } from './block.js';
import type { Context } from './context.js';
import type { Method } from './spec.js';
import type { Statement } from './text/tree.js';

/** Says what becomes of another way than direct routing. */
export function methodText(method: Method): string {
  return method === 'TUN'
    ? 'there are no tunnels yet: packets go by direct routing, so the real servers must be on a network of the director, and have the VIP'
    : 'there is no NAT yet: packets go by direct routing, so the real servers must have the VIP, listen on its port, and not answer ARP for it';
}

export function readMethod(statement: Statement, target: { method?: Method }, { report }: Context): void {
  const [keyword, word = ''] = statement.words;
  if (word !== 'DR' && word !== 'NAT' && word !== 'TUN') {
    const meant = ['DR', 'NAT', 'TUN'].includes(word.toUpperCase()) ? ': keepalived knows it in capitals alone' : '';
    report.tell('dropped', statement, `${keyword!}: "${shown(word)}" is no way to forward packets${meant}`);
    return;
  }
  target.method = word;
  if (word === 'DR') {
    report.keep(statement);
  } else {
    report.tell('dropped', statement, `${keyword!} ${word}: ${methodText(word)}`);
  }
}
