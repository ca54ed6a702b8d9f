/** Chooses the talk of a check by its type. */

import type { NetworkCheck } from '../../model/index.js';
import { DIALOGUES, dialogueTalk } from './dialogue.js';
import { dnsTalk } from './dns.js';
import { httpTalk, requestsOf as httpRequests } from './http.js';
import type { Talk, Target } from './kind.js';
import { pingTalk, tcpTalk, udpTalk } from './simple.js';

/** One talk of a run: a connection of its own. */
export interface Request {
  /** Which of several it is, for people: "/health". */
  readonly name?: string;
  readonly begin: () => Talk;
}

/** Returns the talks of one run of a check, one after another. All must pass. */
export function requestsOf(check: NetworkCheck, target: Target): Request[] {
  if (check.type !== 'http' || !check.requests?.length) {
    return [{ begin: talksOf(check, target) }];
  }
  return httpRequests(check).map((request) => ({ name: request.path ?? '/', begin: httpTalk(request, target) }));
}

/** Returns what begins a talk. Patterns are compiled and requests written once. */
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
