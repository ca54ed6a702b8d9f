/** Chooses the talk of a check by its type. */

import type { NetworkCheck } from '../../model/index.js';
import { DIALOGUES, dialogueTalk } from './dialogue.js';
import { dnsTalk } from './dns.js';
import { httpTalk } from './http.js';
import type { Talk, Target } from './kind.js';
import { pingTalk, tcpTalk, udpTalk } from './simple.js';

/** Returns what begins a talk: one run of a check. Patterns are compiled and requests written once. */
export function talksOf(check: NetworkCheck, target: Target): () => Talk {
  switch (check.type) {
    case 'tcp':
      return tcpTalk();
    case 'http':
      return httpTalk(check, target);
    case 'dns':
      return dnsTalk(check, target);
    case 'udp':
      return udpTalk(check);
    case 'ping':
      return pingTalk();
    case 'send-expect':
      return dialogueTalk(check.steps);
    default:
      return dialogueTalk(DIALOGUES[check.type]);
  }
}
